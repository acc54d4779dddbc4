//! Is it TLS? And which server does the client ask for, to speak what with?

use std::io::Cursor;

use rustls::{Error, server::Acceptor};

/// The type of the record that a TLS client sends first (RFC 8446, 5.1).
pub(super) const HANDSHAKE: u8 = 0x16;

/// What bytes are that begin like a record of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientHello {
    /// They may become one.
    Incomplete,
    /// They are one, with the name that it asks for, if it does, and the protocols that it offers.
    Complete {
        server_name: Option<String>,
        protocols: Vec<Vec<u8>>,
    },
    /// They are one, of a version that is too old to be read.
    Old,
    /// They are not one.
    Invalid,
}

/// Reads a ClientHello, over as many records as it takes.
pub(super) fn sniff(bytes: &[u8]) -> ClientHello {
    if bytes.get(1).is_some_and(|major| *major != 3) {
        return ClientHello::Invalid;
    }
    let mut acceptor = Acceptor::default();
    let mut unread = Cursor::new(bytes);
    loop {
        match acceptor.read_tls(&mut unread) {
            Ok(0) => return ClientHello::Incomplete,
            Ok(_) => {}
            Err(_) => return ClientHello::Invalid,
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let offered = hello.alpn().into_iter().flatten();
                return ClientHello::Complete {
                    server_name: hello.server_name().map(str::to_owned),
                    protocols: offered.map(<[u8]>::to_vec).collect(),
                };
            }
            Ok(None) => {}
            Err((Error::PeerIncompatible(_), _)) => return ClientHello::Old,
            Err(_) => return ClientHello::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs};

    use super::*;

    fn hello(name: &'static str) -> Vec<u8> {
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
        config.alpn_protocols = vec![b"istio".to_vec(), b"h2".to_vec()];
        let mut client = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn reads_the_name_and_the_protocols() {
        let complete = |server_name| ClientHello::Complete {
            server_name,
            protocols: vec![b"istio".to_vec(), b"h2".to_vec()],
        };
        let name = Some("reviews.default.svc".to_owned());
        assert_eq!(sniff(&hello("reviews.default.svc")), complete(name));
        // Clients that connect to an address send no name (RFC 6066, 3).
        assert_eq!(sniff(&hello("10.0.0.1")), complete(None));
    }

    #[test]
    fn waits_for_all_of_it_and_for_no_more() {
        let hello = hello("reviews");
        for len in 1..hello.len() {
            assert_eq!(sniff(&hello[..len]), ClientHello::Incomplete, "{len}");
        }
        let more = [&hello[..], b"more"].concat();
        assert!(matches!(sniff(&more), ClientHello::Complete { .. }));
    }

    #[test]
    fn refuses_what_is_no_hello() {
        assert_eq!(sniff(b"\x16\x02\x01"), ClientHello::Invalid);
        assert_eq!(
            sniff(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"),
            ClientHello::Invalid
        );
    }
}
