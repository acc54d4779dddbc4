//! Which protocol a connection speaks, by its first bytes.

mod http1;
mod tls;

use self::tls::ClientHello;

/// What a connection speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.x in plain text.
    Http1,
    /// HTTP/2 with prior knowledge, in plain text.
    Http2,
    /// TLS, with what the client asks for.
    Tls {
        /// The server's name, if it asks for one.
        server_name: Option<String>,
        /// The protocols that it offers.
        protocols: Vec<Vec<u8>>,
    },
    /// TLS of a version before 1.2.
    OldTls,
    /// Anything else.
    Tcp,
}

/// What a client of HTTP/2 sends first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// At most so many bytes are looked at: a ClientHello with many key shares, or a long request line.
pub const MAX_BYTES: usize = 16 * 1024;

/// Recognises TLS, and nothing else; `None` while the bytes may become it.
pub(crate) fn sniff_tls(bytes: &[u8]) -> Option<Protocol> {
    match bytes.first() {
        None => None,
        Some(&tls::HANDSHAKE) => sniff(bytes),
        Some(_) => Some(Protocol::Tcp),
    }
}

/// Recognises the protocol; `None` while the bytes may become more than one.
pub fn sniff(bytes: &[u8]) -> Option<Protocol> {
    // What comes behind that changes nothing, whether it is there already or not.
    let bytes = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let known = bytes.len().min(PREFACE.len());
    if bytes[..known] == PREFACE[..known] {
        return (known == PREFACE.len()).then_some(Protocol::Http2);
    }
    let found = if bytes.first() == Some(&tls::HANDSHAKE) {
        match tls::sniff(bytes) {
            ClientHello::Incomplete => None,
            ClientHello::Complete {
                server_name,
                protocols,
            } => Some(Protocol::Tls {
                server_name,
                protocols,
            }),
            ClientHello::Old => Some(Protocol::OldTls),
            ClientHello::Invalid => Some(Protocol::Tcp),
        }
    } else {
        let http = |is_http| {
            if is_http {
                Protocol::Http1
            } else {
                Protocol::Tcp
            }
        };
        http1::sniff(bytes).map(http)
    };
    // What is longer than that is not waited for.
    found.or_else(|| (bytes.len() >= MAX_BYTES).then_some(Protocol::Tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_http_1() {
        for text in [
            "GET / HTTP/1.1\r\n",
            "OPTIONS * HTTP/1.0\r\nhost",
            "X-1 /a HTTP/1.1\n",
        ] {
            assert_eq!(sniff(text.as_bytes()), Some(Protocol::Http1), "{text}");
        }
    }

    #[test]
    fn waits_while_it_may_be_more_than_one_protocol() {
        for text in [
            "",
            "G",
            "GET ",
            "GET /a/b",
            "GET / HTTP/1.1",
            "PRI",
            "PRI * HTTP/2.0\r\n\r\n",
            "\x16\x03\x01",
        ] {
            assert_eq!(sniff(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn recognises_http_2_by_its_preface() {
        assert_eq!(sniff(PREFACE), Some(Protocol::Http2));
        assert_eq!(sniff(&[PREFACE, b"frames"].concat()), Some(Protocol::Http2));
        assert_eq!(sniff(b"PRI * HTTP/2.1\r\n"), Some(Protocol::Tcp));
    }

    #[test]
    fn everything_else_is_tcp() {
        for bytes in [
            &b"\x00\x01"[..],
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"GET / SPDY/3\r\n",
            b"EHLO localhost\r\n",
            b"GET /\r\n",
            b"{\"json\"",
            b"GET /\0",
            b"GET /\0 HTTP/1.1\r\n",
            b"\x16\x01",
        ] {
            assert_eq!(
                sniff(bytes),
                Some(Protocol::Tcp),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        assert_eq!(sniff(&[b'A'; 100]), Some(Protocol::Tcp));
        let endless = [&b"GET /"[..], &vec![b'a'; MAX_BYTES]].concat();
        assert_eq!(sniff(&endless), Some(Protocol::Tcp));
    }

    #[test]
    fn nobody_waits_for_more_of_what_is_no_tls() {
        assert_eq!(sniff_tls(b""), None);
        assert_eq!(sniff_tls(b"\x16\x03"), None);
        assert_eq!(sniff_tls(b"G"), Some(Protocol::Tcp));
        assert_eq!(sniff_tls(b"\x16\x01"), Some(Protocol::Tcp));
    }

    #[test]
    fn what_comes_too_late_changes_nothing() {
        let mut late = [&b"GET /"[..], &vec![b'a'; MAX_BYTES]].concat();
        late.extend_from_slice(b" HTTP/1.1\r\n");
        assert_eq!(sniff(&late), Some(Protocol::Tcp));
    }
}
