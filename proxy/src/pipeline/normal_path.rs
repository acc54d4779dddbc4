//! The form of paths that routes are matched with, as Envoy makes it under Istio's default
//! (`pathNormalization: BASE`): that of RFC 3986, with backslashes as slashes. Whoever could write one path in
//! two ways would get around the routes and policies of the other.
//!
//! `%2F` stays as it is, and so do slashes that stand side by side.

use memchr::memchr;

/// A path that has NUL in it (`%00`). Envoy refuses it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadPath;

/// The normal form of a request's path and query; `None` if it has it already. The query stays as
/// it is.
pub(super) fn normalized(target: &[u8]) -> Result<Option<Vec<u8>>, BadPath> {
    let end = memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(end);
    // What begins otherwise is no path: `*`, or nothing (CONNECT).
    let Some(inner) = path.strip_prefix(b"/") else {
        return Ok(None);
    };
    if is_normal(path) {
        return Ok(None);
    }
    let mut normal = Vec::with_capacity(target.len());
    normal.push(b'/');
    let mut segments = inner.split(|byte| matches!(byte, b'/' | b'\\')).peekable();
    while let Some(segment) = segments.next() {
        let start = normal.len();
        write_segment(segment, &mut normal)?;
        // Some servers look at a segment without its parameters: to them, `..;a` goes up.
        let end = memchr(b';', &normal[start..]).unwrap_or(normal.len() - start);
        match &normal[start..start + end] {
            b"." => normal.truncate(start),
            b".." => {
                normal.truncate(start);
                remove_last_segment(&mut normal);
            }
            _ if segments.peek().is_some() => normal.push(b'/'),
            _ => {}
        }
    }
    normal.extend_from_slice(query);
    Ok(Some(normal))
}

/// Whether nothing in the path might have to be changed.
fn is_normal(path: &[u8]) -> bool {
    let mut before = b'/';
    path.iter().all(|&byte| {
        let is_dot_segment = before == b'/' && byte == b'.';
        before = byte;
        !is_dot_segment && !matches!(byte, b'\\' | b'%') && !is_encoded(byte)
    })
}

/// Whether the byte stands in no path as it is (RFC 3986, 3.3).
fn is_encoded(byte: u8) -> bool {
    matches!(
        byte,
        b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f..
    )
}

/// RFC 3986, 2.3: such a byte means the same whether it is encoded or not.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn write_segment(segment: &[u8], normal: &mut Vec<u8>) -> Result<(), BadPath> {
    let mut rest = segment;
    // How many bytes back stands a `%` that encodes nothing.
    let mut since_stray = usize::MAX;
    while let Some((&byte, behind)) = rest.split_first() {
        let encoded = if byte == b'%' { encoded(behind) } else { None };
        since_stray = since_stray.saturating_add(1);
        match encoded {
            Some(0) => return Err(BadPath),
            // Behind a stray `%` it might become part of another one's encoding.
            Some(plain) if is_unreserved(plain) && since_stray > 2 => {
                normal.push(plain);
                rest = &behind[2..];
                continue;
            }
            Some(_) => {
                normal.extend_from_slice(&rest[..3]);
                rest = &behind[2..];
                since_stray = usize::MAX;
                continue;
            }
            None if byte == b'%' => since_stray = 0,
            None => {}
        }
        if is_encoded(byte) {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |number: u8| DIGITS[usize::from(number)];
            normal.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
            since_stray = usize::MAX;
        } else {
            normal.push(byte);
        }
        rest = behind;
    }
    Ok(())
}

/// The byte that two digits behind a `%` stand for.
fn encoded(behind: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (high, low) = (digit(behind.first()?)?, digit(behind.get(1)?)?);
    u8::try_from(high << 4 | low).ok()
}

/// Removes the last segment of a path that ends with a slash, except for the first slash.
fn remove_last_segment(normal: &mut Vec<u8>) {
    let before = normal.len().saturating_sub(1);
    let slash = normal[..before].iter().rposition(|byte| *byte == b'/');
    normal.truncate(slash.unwrap_or_default() + 1);
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn normal(path: &str) -> String {
        let normal = normalized(path.as_bytes()).unwrap();
        let normal = normal.unwrap_or_else(|| path.as_bytes().to_vec());
        // Whoever normalises it again must see the same.
        let again = normalized(&normal).unwrap();
        assert!(again.is_none_or(|again| again == normal), "{path}");
        String::from_utf8(normal).unwrap()
    }

    #[test]
    fn resolves_dot_segments() {
        for (path, expected) in [
            ("/a/b/../c", "/a/c"),
            ("/a/b/./c", "/a/b/c"),
            ("/a/b/../../../../c", "/c"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
            ("/a/b/%2E%2e/c", "/a/c"),
            ("/a/.%2e/c", "/c"),
            ("/a/..\\c", "/c"),
            ("/a/..;/c", "/c"),
            ("/a/%2e%2e;b=1", "/"),
            ("/a/.;b/c", "/a/c"),
            ("/a/...;/c", "/a/...;/c"),
            ("/a/...", "/a/..."),
            ("/.a/b.", "/.a/b."),
            ("/a//../b", "/a/b"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }

    #[test]
    fn takes_backslashes_for_slashes() {
        assert_eq!(normal("/a\\b"), "/a/b");
        assert_eq!(normal("/\\a"), "//a");
    }

    #[test]
    fn decodes_what_means_the_same_and_encodes_what_may_not_stand_there() {
        for (path, expected) in [
            ("/%61dmin/%7Ea%2d", "/admin/~a-"),
            ("/%5c%25", "/%5c%25"),
            ("/%c0%af", "/%c0%af"),
            ("/a\"<>^`{|}", "/a%22%3C%3E%5E%60%7B%7C%7D"),
            ("/\u{e9}", "/%C3%A9"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }

    #[test]
    fn keeps_encoded_and_double_slashes() {
        for path in ["/a/%2F%2f/c", "//a///b", "/", "/a/", "/a;b=c"] {
            assert_eq!(normal(path), path);
        }
    }

    #[test]
    fn a_stray_percent_becomes_no_other_encoding() {
        for path in ["/%", "/%%", "/%%30", "/%a%31", "/%2", "/%zz", "/100%/a"] {
            assert_eq!(normal(path), path);
        }
        assert_eq!(normal("/%%30%30"), "/%%300");
        assert_eq!(normal("/%|%30"), "/%%7C0");
        assert_eq!(normal("/%ab/%61"), "/%ab/a");
    }

    #[test]
    fn leaves_the_query_and_what_is_no_path_alone() {
        assert_eq!(normal("/a/../b?c=/../%61\\"), "/b?c=/../%61\\");
        assert_eq!(normalized(b"*"), Ok(None));
        assert_eq!(normalized(b""), Ok(None));
    }

    proptest! {
        #[test]
        fn a_normal_path_is_normal_and_leads_nowhere_else(path in "/[./%\\\\;a-z0-9A-F|]{0,24}") {
            if let Ok(Some(first)) = normalized(path.as_bytes()) {
                let again = normalized(&first).unwrap().unwrap_or_else(|| first.clone());
                prop_assert_eq!(&again, &first);
                for segment in first.split(|byte| *byte == b'/') {
                    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
                    prop_assert!(name != b"." && name != b"..");
                }
                prop_assert!(!first.contains(&b'\\'));
            }
        }
    }

    #[test]
    fn refuses_nul() {
        for path in ["/xyz/.%00../abc", "/%00", "/a%%00"] {
            assert_eq!(normalized(path.as_bytes()), Err(BadPath), "{path}");
        }
    }
}
