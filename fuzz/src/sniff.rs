//! The fuzz target for what tells protocols apart.

use pillion_cost::{Bound, Linear};
use pillion_proxy::test_util::{MAX_BYTES, Protocol, sniff as judge};

use crate::{
    cursor::{Cursor, pieces},
    units::{KIB, MILLISECOND},
};

/// Of one look. A ClientHello is copied, its records are put together, and rustls remembers where each message of a
/// record begins and ends, of which the shortest have four bytes.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(64 * KIB, 32),
    total: Linear::new(128 * KIB, 64),
    time: Linear::new(MILLISECOND, 200),
};

/// Long inputs are not looked at with each of their bytes: thousands of looks of one input find nothing more.
const LOOKS: usize = 256;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Looks at what a connection begins with: the first byte says how many of those that follow
/// are lengths of pieces, and whether the input is put into records of TLS.
///
/// # Panics
///
/// Panics if a check fails.
pub fn sniff(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let mode = cursor.byte();
    let lengths = cursor.take(usize::from(mode >> 4));
    let mut input = match mode & 3 {
        0 | 1 => cursor.rest().to_vec(),
        _ => hello(&mut cursor, mode & 3 == 3),
    };
    if mode & 12 == 12 {
        // Long enough for whatever gives up.
        let last = input.last().copied().unwrap_or(b'a');
        input.resize(MAX_BYTES + 100, last);
    }
    let whole = BOUND.hold("the whole", input.len(), || judge(&input));
    let mut verdict = None;
    let mut received = 0;
    for (look, piece) in pieces(&input, lengths).into_iter().enumerate() {
        received += piece.len();
        if look > LOOKS && look % LOOKS > 0 && received < input.len() {
            continue;
        }
        let bytes = &input[..received];
        let now = BOUND.hold("a look", received, || judge(bytes));
        // Who has been told once is not asked again, and need not be.
        assert!(
            verdict.is_none() || now == verdict,
            "{verdict:?}, then {now:?}"
        );
        assert!(now.is_some() || received < MAX_BYTES, "no verdict");
        verdict = now;
    }
    assert!(
        input.is_empty() || verdict == whole,
        "{verdict:?}, not {whole:?}"
    );
    if let Some(protocol) = whole {
        check(&protocol, &input);
    }
}

/// Checks a verdict with eyes of our own.
fn check(protocol: &Protocol, input: &[u8]) {
    match protocol {
        Protocol::Http2 => assert!(input.starts_with(PREFACE)),
        Protocol::Http1 => {
            let input = input.strip_prefix(b"\r\n").unwrap_or(input);
            let line = input.split(|byte| *byte == b'\n').next();
            let line = line.unwrap_or_default().trim_ascii_end();
            assert!(line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0"));
            assert!(line[0].is_ascii_graphic(), "a method");
        }
        Protocol::Tls { server_name, .. } => {
            let message = handshake(input);
            assert_eq!(message.first(), Some(&1), "a ClientHello");
            let found = name(&message).map(|name| name.to_ascii_lowercase());
            let told = server_name.as_ref().map(|name| name.to_ascii_lowercase());
            // rustls leaves out the dot at the end, which a name must not have (RFC 6066, 3).
            let without_dot = |name: Vec<u8>| match name.strip_suffix(b".") {
                Some(rest) => rest.to_vec(),
                None => name,
            };
            let expected = found.filter(|name| is_dns(name)).map(without_dot);
            assert_eq!(told.map(String::into_bytes), expected);
        }
        // Bytes that a client of HTTP or TLS can't have sent, or too many of them.
        Protocol::OldTls | Protocol::Tcp => assert!(!input.starts_with(PREFACE)),
    }
}

/// Names that are addresses count as none (RFC 6066, 3).
fn is_dns(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    text.parse::<std::net::IpAddr>().is_err()
}

/// The messages of the handshake's records, one behind the other.
fn handshake(mut input: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let [0x16, 3, _, high, low, rest @ ..] = input {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        message.extend_from_slice(&rest[..length]);
        input = &rest[length..];
    }
    message
}

/// The name in a ClientHello (RFC 8446, 4.1.2; RFC 6066, 3).
fn name(message: &[u8]) -> Option<Vec<u8>> {
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(*message.get(at)?);
    at += 2 + number(message, at)?;
    at += 1 + usize::from(*message.get(at)?);
    let end = at + 2 + number(message, at)?;
    at += 2;
    while at + 4 <= end {
        let (kind, length) = (number(message, at)?, number(message, at + 2)?);
        if kind == 0 {
            // A list of names, of which the first is one of a host.
            let length = number(message, at + 7)?;
            return Some(message.get(at + 9..at + 9 + length)?.to_vec());
        }
        at += 4 + length;
    }
    None
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let two = [*bytes.get(at)?, *bytes.get(at + 1)?];
    Some(u16::from_be_bytes(two).into())
}

/// Makes a ClientHello with a name and other extensions, in records of any size.
fn hello(cursor: &mut Cursor<'_>, small: bool) -> Vec<u8> {
    let record = if small { 1 + cursor.below(64) } else { 16_384 };
    let padding = cursor.below(64) * 64;
    let with_name = cursor.below(4) > 0;
    let text: Vec<u8> = match cursor.below(3) {
        0 => b"reviews.default.svc.cluster.local".to_vec(),
        1 => cursor.take(16).to_vec(),
        _ => b"Reviews".to_vec(),
    };
    let spoilt = (cursor.below(8) == 0).then(|| (cursor.byte(), cursor.byte()));
    let behind = cursor.rest();
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, body: &[u8]| {
        extensions.extend_from_slice(&kind.to_be_bytes());
        sized(&mut extensions, body);
    };
    if with_name {
        let mut entry = vec![0];
        sized(&mut entry, &text);
        let mut list = Vec::new();
        sized(&mut list, &entry);
        extension(0, &list);
    }
    // Versions, groups, signatures and a share of a key, without which there is no hello.
    extension(43, &[2, 3, 4]);
    extension(10, &[0, 2, 0, 29]);
    extension(13, &[0, 2, 4, 3]);
    let mut share = vec![0, 36, 0, 29, 0, 32];
    share.extend_from_slice(&[9; 32]);
    extension(51, &share);
    if padding > 0 {
        extension(21, &vec![0; padding]);
    }
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0]);
    sized(&mut body, &extensions);
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let mut message = vec![1];
    message.extend_from_slice(&length[1..]);
    message.extend_from_slice(&body);
    if let Some((place, value)) = spoilt {
        let place = usize::from(place) * message.len() / 256;
        message[place] = value;
    }
    let mut input = Vec::new();
    for piece in message.chunks(record) {
        input.extend_from_slice(&[0x16, 3, 1]);
        sized(&mut input, piece);
    }
    input.extend_from_slice(behind);
    input
}

/// Appends bytes behind their number, of two bytes.
fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}
