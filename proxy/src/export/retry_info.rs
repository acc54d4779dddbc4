//! Whether a collector says when to come again, in the details of gRPC's status.

use http::HeaderMap;
use pillion_envoy_api::google::rpc::Status;
use prost::Message as _;

/// Google's message for it. That it is there is what counts: how long to wait is decided here.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Whether the fields that have the status say it.
pub(super) fn is_in(fields: &HeaderMap) -> bool {
    let details = fields.get("grpc-status-details-bin");
    let details = details.and_then(|value| decoded(value.as_bytes()));
    let status = details.and_then(|details| Status::decode(&details[..]).ok());
    let details = status.map(|status| status.details).unwrap_or_default();
    details.iter().any(|detail| detail.type_url == RETRY_INFO)
}

/// The bytes of a text in base64, which may or may not be padded.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    // The last bits of them are not part of a byte yet.
    let (mut digits, mut bits) = (0_u32, 0);
    for digit in text.iter().take_while(|digit| **digit != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        digits = digits << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [.., byte] = (digits >> bits).to_be_bytes();
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use pillion_envoy_api::Any;

    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zg", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYmFy", "foobar"),
            ("fn4+Pz8v", "~~>??/"),
        ] {
            assert_eq!(decoded(text.as_bytes()).unwrap(), bytes.as_bytes());
        }
        assert_eq!(decoded(b"Zg =="), None);
    }

    #[test]
    fn is_found_among_other_details() {
        let with = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            HeaderMap::from_iter([("grpc-status-details-bin".parse().unwrap(), value)])
        };
        // A status with code 8, and details of those types.
        let text = |types: &[&str]| {
            let detail = |it: &&str| Any {
                type_url: (*it).to_owned(),
                ..Any::default()
            };
            let status = Status {
                code: 8,
                details: types.iter().map(detail).collect(),
                ..Status::default()
            };
            base64(&status.encode_to_vec())
        };
        let other = "type.googleapis.com/google.rpc.QuotaFailure";
        assert!(is_in(&with(&text(&[other, RETRY_INFO]))));
        for value in [text(&[other]), String::new(), "%".into(), "AAAA".into()] {
            assert!(!is_in(&with(&value)), "{value}");
        }
        assert!(!is_in(&HeaderMap::new()));
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let byte = |at| u32::from(three.get(at).copied().unwrap_or_default());
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for at in 0..=three.len() {
                let digit = bits >> (18 - 6 * at) & 0x3f;
                text.push(char::from(DIGITS[digit as usize]));
            }
        }
        text
    }
}
