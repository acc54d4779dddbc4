//! Which bytes may stand where.

/// Whether it may be the value of a field, or a reason phrase (RFC 9110, 5.5): no control
/// characters but tabs. Bytes beyond ASCII are opaque.
pub(super) fn is_text(text: &[u8]) -> bool {
    // All bytes are looked at, without a branch, so that it is done with vectors.
    text.iter().fold(true, |good, &byte| {
        good & ((byte == b'\t') | ((byte >= b' ') & (byte != 0x7f)))
    })
}

/// Whether all bytes may be in a request's target: neither control characters, spaces, a
/// fragment, nor bytes beyond ASCII, which no URL has as they are (RFC 3986, 2).
pub(super) fn is_target(text: &[u8]) -> bool {
    text.iter().fold(true, |good, &byte| {
        good & (byte > b' ') & (byte < 0x7f) & (byte != b'#')
    })
}

/// Removes spaces and tabs at both ends (OWS; RFC 9110, 5.6.3).
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = text.iter().position(|byte| !is_blank(byte)) else {
        return b"";
    };
    let end = text.iter().rposition(|byte| !is_blank(byte));
    &text[start..end.map_or(start, |last| last + 1)]
}

/// The elements of a comma-separated list, without the empty ones (RFC 9110, 5.6.1).
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_text_apart() {
        assert!(is_text(b"") && is_text(b"a\tb c~") && is_text(b"\x80\xff"));
        for control in (0..0x20).chain([0x7f]).filter(|byte| *byte != b'\t') {
            let mut text = *b"0123456789012345678901234567890123456789";
            text[33] = control;
            assert!(!is_text(&text), "{control}");
        }
    }

    #[test]
    fn tells_targets_apart() {
        assert!(is_target(b"/a/%2f?b={c}|\"^`\\<>"));
        for bad in [0, 9, 0x0b, 0x1f, b' ', b'#', 0x7f, 0x80, 0xff] {
            assert!(!is_target(&[b'/', bad]), "{bad}");
        }
    }

    #[test]
    fn trims_blanks_only() {
        for (text, trimmed) in [
            ("", ""),
            (" \t ", ""),
            ("a", "a"),
            (" a b\t", "a b"),
            ("\x0ba\x0b", "\x0ba\x0b"),
        ] {
            assert_eq!(trim(text.as_bytes()), trimmed.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn splits_lists() {
        let list: Vec<_> = elements(b" a ,, b;q=1,\tc d,").collect();
        assert_eq!(list, [&b"a"[..], b"b;q=1", b"c d"]);
    }
}
