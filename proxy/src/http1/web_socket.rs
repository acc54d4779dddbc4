//! The handshake of WebSocket where the client speaks HTTP/2.
//!
//! An extended CONNECT has neither `sec-websocket-key` nor `sec-websocket-accept` (RFC 8441, 5),
//! and a server of HTTP/1 refuses a handshake without a key (RFC 6455, 4.2.1).

use http::Version;

use crate::message::{FieldName, Fields, RequestHead};

const KEY: &[u8] = b"sec-websocket-key";
const ACCEPT: &[u8] = b"sec-websocket-accept";

/// What base64 is made of.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns a new key field for a request that needs a key and has none. An HTTP/1 client's key
/// passes between two sidecars that speak HTTP/2.
pub(super) fn missing_key(head: &RequestHead) -> Option<(&'static [u8], [u8; 24])> {
    let is_web_socket = |protocol: &[u8]| protocol.eq_ignore_ascii_case(b"websocket");
    let needs_one = head.version == Version::HTTP_2
        && head.upgrade().is_some_and(is_web_socket)
        && head.fields.find(KEY).is_none();
    needs_one.then(|| (KEY, random_key()))
}

/// 16 random bytes in base64 (RFC 6455, 4.1). It is not a secret: it only shows that the
/// server knows WebSocket.
fn random_key() -> [u8; 24] {
    let mut bits = fastrand::u128(..);
    let mut key = [b'='; 24];
    // Six bits each, and the last two of 128.
    for (at, letter) in key.iter_mut().take(22).enumerate() {
        let value = match at {
            21 => (bits & 3) << 4,
            _ => bits & 63,
        };
        bits >>= 6;
        // Every value is below 64.
        *letter = ALPHABET.get(value as usize).copied().unwrap_or(b'A');
    }
    key
}

/// Removes the server's answer to a key that its client didn't send.
pub(super) fn remove_accept(fields: &mut Fields) {
    fields.retain(|known, name, _| known != FieldName::Other || name != ACCEPT);
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn upgrade(version: Version, protocol: &[u8]) -> RequestHead {
        let mut head = RequestHead::new(Method::GET, Some(b"a"), b"/chat", Fields::default());
        head.version = version;
        head.set_upgrade(Some(protocol));
        head
    }

    #[test]
    fn makes_a_key_for_clients_of_http2_alone() {
        let is_made = |head: &RequestHead| missing_key(head).is_some();
        assert!(is_made(&upgrade(Version::HTTP_2, b"websocket")));
        assert!(!is_made(&upgrade(Version::HTTP_2, b"connect-udp")));
        assert!(!is_made(&upgrade(Version::HTTP_11, b"websocket")));
        let mut with_key = upgrade(Version::HTTP_2, b"websocket");
        with_key.fields.push(KEY, b"dGhlIHNhbXBsZSBub25jZQ==");
        assert!(!is_made(&with_key));
    }

    #[test]
    fn a_key_is_16_random_bytes_in_base64() {
        let (first, second) = (random_key(), random_key());
        assert_ne!(first, second);
        for key in [first, second] {
            let (letters, padding) = key.split_at(22);
            assert_eq!(padding, b"==");
            assert!(letters.iter().all(|letter| ALPHABET.contains(letter)));
            // The four bits that are left over are zero.
            assert!(b"AQgw".contains(&letters[21]), "{key:?}");
        }
    }

    #[test]
    fn removes_the_answer_and_nothing_else() {
        let mut fields = Fields::default();
        fields.push(ACCEPT, b"x");
        fields.push(b"sec-websocket-protocol", b"chat");
        fields.push(b"upgrade", b"websocket");
        remove_accept(&mut fields);
        let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"sec-websocket-protocol"[..], b"upgrade"]);
    }
}
