//! Text of others in a line or in JSON, so that it stays where it belongs.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// What has to be escaped, and what may have to be.
fn is_special(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..0x20 | 0x7f..)
}

/// Most texts have none. All bytes are looked at, without a branch, so that it is done with
/// vectors.
fn is_plain(value: &[u8]) -> bool {
    !value.iter().fold(false, |any, byte| any | is_special(byte))
}

/// Appends text to a text format. Envoy escapes nothing there; here a quote, a backslash and
/// all that is not printable ASCII become `\xHH`, so that no client can end a quoted part or
/// a line.
pub(super) fn text(value: &[u8], line: &mut Vec<u8>) {
    if is_plain(value) {
        line.extend_from_slice(value);
        return;
    }
    let mut rest = value;
    while let Some(at) = rest.iter().position(is_special) {
        let digit = |at: u8| HEX.get(usize::from(at)).copied().unwrap_or_default();
        let byte = rest[at];
        line.extend_from_slice(&rest[..at]);
        line.extend([b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

/// Appends text to the inside of a JSON string (RFC 8259, 7). What is not UTF-8 becomes
/// replacement characters.
pub(super) fn json(value: &[u8], line: &mut Vec<u8>) {
    if is_plain(value) {
        line.extend_from_slice(value);
        return;
    }
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => line.extend(b"\\\""),
                '\\' => line.extend(b"\\\\"),
                '\n' => line.extend(b"\\n"),
                '\r' => line.extend(b"\\r"),
                '\t' => line.extend(b"\\t"),
                control if control.is_control() => unicode(control, line),
                other => line.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            line.extend("\u{fffd}".as_bytes());
        }
    }
}

/// A control character, which has at most two hexadecimal digits.
fn unicode(control: char, line: &mut Vec<u8>) {
    let code = u32::from(control);
    let digit = |shift: u32| {
        let at = usize::try_from(code >> shift & 15).unwrap_or_default();
        HEX.get(at).copied().unwrap_or_default()
    };
    line.extend([b'\\', b'u', b'0', b'0', digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(escape: fn(&[u8], &mut Vec<u8>), value: &[u8]) -> String {
        let mut line = Vec::new();
        escape(value, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn text_stays_printable_ascii_without_quotes() {
        assert_eq!(escaped(text, b"/a?b=~ c"), "/a?b=~ c");
        let hostile = "\"\n\r\t\u{1b}[2J\\\u{7f}\u{e9}".as_bytes();
        assert_eq!(
            escaped(text, hostile),
            r"\x22\x0A\x0D\x09\x1B[2J\x5C\x7F\xC3\xA9"
        );
    }

    #[test]
    fn json_has_json_s_own_escapes() {
        let hostile = "a\"\\\n\r\t\u{1b}\u{85}\u{e9}".as_bytes();
        assert_eq!(
            escaped(json, hostile),
            "a\\\"\\\\\\n\\r\\t\\u001B\\u0085\u{e9}"
        );
        assert_eq!(escaped(json, b"a\xffb"), "a\u{fffd}b");
    }
}
