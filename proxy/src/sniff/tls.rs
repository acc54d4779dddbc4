//! Is it TLS? And which server does the client ask for, to speak what with?

use std::io::Cursor;

use rustls::{Error, server::Acceptor};

/// The type of the record that a TLS client sends first (RFC 8446, 5.1).
pub(super) const HANDSHAKE: u8 = 0x16;

/// The type of the message that is a ClientHello (RFC 8446, 4).
const CLIENT_HELLO: u8 = 1;
/// The most bytes in a record (RFC 8446, 5.1).
const MAX_RECORD: usize = 1 << 14;
/// The most bytes of a message that rustls reads.
const MAX_MESSAGE: usize = 0xffff;

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

/// How much of a ClientHello there is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Begun,
    Complete,
    Invalid,
}

/// Reads a ClientHello, over as many records as it takes.
pub(super) fn sniff(bytes: &[u8]) -> ClientHello {
    match progress(bytes) {
        Progress::Begun => return ClientHello::Incomplete,
        Progress::Complete => {}
        Progress::Invalid => return ClientHello::Invalid,
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

/// Whether all of a message is there that may be a ClientHello. rustls would find the same, but from the beginning for
/// each byte that comes.
fn progress(bytes: &[u8]) -> Progress {
    let mut records = bytes;
    let (mut head, mut received) = ([0; 4], 0);
    while let [HANDSHAKE, 3, _, high, low, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 || length > MAX_RECORD {
            return Progress::Invalid;
        }
        let Some((fragment, behind)) = rest.split_at_checked(length) else {
            return Progress::Begun;
        };
        for (to, from) in head.iter_mut().skip(received).zip(fragment) {
            *to = *from;
        }
        received += length;
        let [kind, length @ ..] = head;
        let [high, middle, low] = length.map(usize::from);
        let length = high << 16 | middle << 8 | low;
        if kind != CLIENT_HELLO || length > MAX_MESSAGE {
            return Progress::Invalid;
        }
        if received >= head.len() && received - head.len() >= length {
            return Progress::Complete;
        }
        records = behind;
    }
    match records {
        [] | [HANDSHAKE] | [HANDSHAKE, 3, ..] => Progress::Begun,
        _ => Progress::Invalid,
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

    /// A message in records of this size.
    fn in_records_of(size: usize, hello: &[u8]) -> Vec<u8> {
        let record = |fragment: &[u8]| {
            let length = u16::try_from(fragment.len()).unwrap().to_be_bytes();
            [&[HANDSHAKE, 3, 1], &length[..], fragment].concat()
        };
        hello[5..].chunks(size).flat_map(record).collect()
    }

    #[test]
    fn nothing_is_read_before_all_of_it_is_there() {
        let hello = hello("reviews");
        for size in [1, 2, 3, 5, 64, 1_000] {
            let records = in_records_of(size, &hello);
            for len in 1..records.len() {
                assert_eq!(
                    progress(&records[..len]),
                    Progress::Begun,
                    "{len} of {size}"
                );
            }
            assert_eq!(progress(&records), Progress::Complete);
            assert!(matches!(sniff(&records), ClientHello::Complete { .. }));
        }
    }

    #[test]
    fn nobody_waits_for_more_of_what_is_no_hello() {
        let begun = &hello("reviews")[..100];
        let spoilt = |at: usize, byte| {
            let mut bytes = in_records_of(50, begun);
            bytes[at] = byte;
            bytes
        };
        assert_eq!(progress(&spoilt(0, HANDSHAKE)), Progress::Begun);
        for (at, byte) in [
            // Of the second record: its type, its version, its length.
            (55, 0x17),
            (56, 2),
            (58, 0x41),
            // The message's type, and its length.
            (5, 2),
            (6, 1),
        ] {
            assert_eq!(
                progress(&spoilt(at, byte)),
                Progress::Invalid,
                "{byte} at {at}"
            );
        }
        assert_eq!(progress(&[HANDSHAKE, 3, 1, 0, 0]), Progress::Invalid);
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
