//! How bytes are written in cases, and shown when a case fails.

/// Values that are longer are shown by their length.
const LONGEST: usize = 160;

/// The bytes that a text stands for: `\r`, `\n`, `\t`, `\s` (a space), `\0`, `\\`, `\xNN`, and
/// `\{TEXT*N}`, which is so many times the text.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..place]);
        rest = escaped(&rest[place + 1..], &mut bytes);
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Adds what stands behind a backslash, and returns what follows it.
fn escaped<'a>(text: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let simple = [
        ('r', b'\r'),
        ('n', b'\n'),
        ('t', b'\t'),
        ('s', b' '),
        ('0', 0),
        ('\\', b'\\'),
    ];
    let first = text.chars().next().expect("something behind a backslash");
    let rest = &text[first.len_utf8()..];
    if let Some((_, byte)) = simple.iter().find(|(name, _)| *name == first) {
        bytes.push(*byte);
        return rest;
    }
    match first {
        'x' => {
            let (digits, rest) = rest.split_at(2);
            bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
            rest
        }
        '{' => {
            let (inner, rest) = rest.split_once('}').expect("a closing brace");
            let (inner, times) = inner.rsplit_once('*').expect("TEXT*N");
            let times = times.parse().expect("a number");
            bytes.extend(self::bytes(inner).repeat(times));
            rest
        }
        other => panic!("\\{other} has no meaning"),
    }
}

/// Bytes as text. It is the same for equal bytes only.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// A text that fits into a line.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
