//! Lines.

use memchr::memchr;

use super::refusal::BadLine;

/// The line that starts there, without its end, and where the next one starts.
///
/// `None` if it is not complete. A line ends with CR LF: RFC 9112 (2.2) allows recipients to
/// take LF alone, and those who don't would see another message.
pub(super) fn next_line(input: &[u8], start: usize) -> Result<Option<(&[u8], usize)>, BadLine> {
    let rest = input.get(start..).unwrap_or_default();
    let Some(length) = memchr(b'\n', rest) else {
        return Ok(None);
    };
    match rest[..length].split_last() {
        Some((b'\r', line)) => Ok(Some((line, start + length + 1))),
        _ => Err(BadLine::BareLf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_up_to_cr_lf() {
        let input = b"a\r\n\r\nb";
        assert_eq!(next_line(input, 0), Ok(Some((&b"a"[..], 3))));
        assert_eq!(next_line(input, 3), Ok(Some((&b""[..], 5))));
        assert_eq!(next_line(input, 5), Ok(None));
        assert_eq!(next_line(input, 9), Ok(None));
    }

    #[test]
    fn refuses_bare_lf() {
        assert_eq!(next_line(b"a\nb\r\n", 0), Err(BadLine::BareLf));
        assert_eq!(next_line(b"\n", 0), Err(BadLine::BareLf));
        assert_eq!(next_line(b"\r\n\n", 2), Err(BadLine::BareLf));
    }
}
