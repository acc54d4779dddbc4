//! Heads of responses.

use http::{Method, StatusCode, Version};

use super::{
    characters::is_text,
    control_fields::{ControlFields, Kept},
    field_lines::FieldLines,
    framing::{Announced, Framing},
    limits::Limits,
    line::next_line,
    refusal::{BadLine, BadResponse},
};
use crate::message::ResponseHead;

/// A head, and what it says of what follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedResponse {
    pub head: ResponseHead,
    pub framing: Framing,
    /// Bytes of the input that the head took.
    pub len: usize,
    /// The server keeps the connection after this response (RFC 9112, 9.3).
    pub keep_alive: bool,
    /// `timeout` of `Keep-Alive`, in seconds: how long the server keeps it.
    pub keep_alive_timeout: Option<u64>,
}

/// Reads the head of the response to a request with that method from the front of `input`.
///
/// `None` if it is not complete, and still within the limits.
///
/// # Errors
///
/// When it is not a response, too large, or can be read in more than one way. The connection
/// can't be used for another one.
pub(crate) fn parse_response(
    input: &[u8],
    limits: &Limits,
    method: &Method,
) -> Result<Option<ParsedResponse>, BadResponse> {
    match parse(limits.window(input), limits, method)? {
        None if input.len() >= limits.head_bytes => Err(BadResponse::HeadTooLarge),
        parsed => Ok(parsed),
    }
}

fn parse(
    input: &[u8],
    limits: &Limits,
    method: &Method,
) -> Result<Option<ParsedResponse>, BadResponse> {
    let Some((line, start)) = next_line(input, 0)? else {
        return Ok(None);
    };
    let (version, status) = parse_status_line(line)?;
    let mut lines = FieldLines::new();
    let Some(len) = lines.read(input, start, limits.fields)? else {
        return Ok(None);
    };
    let control = ControlFields::of(&lines, input)?;
    let announced = Announced::of(control.content_length, control.transfer_encoding, version)?;
    let framing = Framing::of_response(announced, status, method)?;
    let ends_with_connection = matches!(framing, Framing::UntilClose | Framing::Tunnel);
    // Which protocol was agreed on is for the client to know, and for nobody else.
    let kept = match status {
        StatusCode::SWITCHING_PROTOCOLS => Kept::Upgrade,
        _ => Kept::Nothing,
    };
    let mut head = ResponseHead::new(status);
    head.version = version;
    head.body = framing.body_size();
    head.length_without_body = length_without_body(announced, framing, status);
    head.fields = control.copy_others(&lines, input, 0, kept);
    Ok(Some(ParsedResponse {
        head,
        framing,
        len,
        keep_alive: control.connection.keeps(version) && !ends_with_connection,
        keep_alive_timeout: control.keep_alive_timeout,
    }))
}

/// What `Content-Length` says of a body that stays away: of responses to HEAD, and of 304.
fn length_without_body(announced: Announced, framing: Framing, status: StatusCode) -> Option<u64> {
    let is_possible =
        framing == Framing::Empty && !status.is_informational() && status != StatusCode::NO_CONTENT;
    match announced {
        // Without a body and without HEAD the length says so already.
        Announced::Length(length) if is_possible => Some(length),
        _ => None,
    }
}

/// `HTTP/1.1 200 OK`. The reason may be empty, or missing with its space, as some servers
/// have it; nobody reads it.
fn parse_status_line(line: &[u8]) -> Result<(Version, StatusCode), BadResponse> {
    if line.contains(&b'\r') {
        return Err(BadLine::BareCr.into());
    }
    let (version, rest) = line.split_at_checked(8).ok_or(BadResponse::StatusLine)?;
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(BadResponse::Version);
        }
        _ => return Err(BadResponse::StatusLine),
    };
    let (status, reason) = match rest {
        [b' ', status @ ..] => status.split_at_checked(3),
        _ => None,
    }
    .ok_or(BadResponse::StatusLine)?;
    if !matches!(reason, [] | [b' ', ..]) || !is_text(reason) {
        return Err(BadResponse::StatusLine);
    }
    let status = StatusCode::from_bytes(status).map_err(|_| BadResponse::StatusLine)?;
    Ok((version, status))
}

#[cfg(test)]
mod tests;
