//! Is it HTTP/1.x? The first line says so (RFC 9112, 3).

use crate::message::is_token_byte;

/// Longer methods than any that is registered are not looked for.
const MAX_METHOD: usize = 32;

/// Whether a connection that begins so speaks HTTP/1.x; `None` while it may.
///
/// No line of SMTP, Redis, SSH and the like ends in `HTTP/1.0` or `HTTP/1.1`.
pub(super) fn sniff(bytes: &[u8]) -> Option<bool> {
    // Some old clients send an empty line first.
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let method = bytes.iter().position(|byte| !is_token_byte(*byte));
    match method {
        None if bytes.len() <= MAX_METHOD => return None,
        Some(1..=MAX_METHOD) if method.is_some_and(|end| bytes[end] == b' ') => {}
        Some(0) if matches!(bytes, b"\r") => return None,
        _ => return Some(false),
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let line = &bytes[..end.unwrap_or(bytes.len())];
    // However much of the line has come.
    let is_text = |byte: &u8| *byte >= b' ' && *byte != 0x7f || *byte == b'\r';
    if !line.iter().all(is_text) {
        return Some(false);
    }
    end?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let version = line
        .iter()
        .rposition(|byte| *byte == b' ')
        .map(|at| &line[at + 1..]);
    Some(
        matches!(version, Some(b"HTTP/1.0" | b"HTTP/1.1"))
            && line.iter().filter(|byte| **byte == b' ').count() == 2,
    )
}
