//! Heads of requests.

use http::{Method, Version};

use super::{
    control_fields::{ControlFields, Kept, Single},
    field_lines::FieldLines,
    framing::{Announced, Framing},
    limits::Limits,
    line::next_line,
    refusal::BadRequest,
    request_line::RequestLine,
};
use crate::message::{RequestHead, is_authority, is_token};

/// Fields that `Connection` may not name: without them, servers and policies would take the request
/// for another one's. Envoy refuses the same.
const NOT_FOR_ONE_CONNECTION: [&[u8]; 4] = [
    b"host",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
];

/// A head, and what it says of what follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedRequest {
    pub head: RequestHead,
    pub framing: Framing,
    /// Bytes of the input that the head took.
    pub len: usize,
    /// The client keeps the connection after the response (RFC 9112, 9.3).
    pub keep_alive: bool,
}

/// Reads a request's head from the front of `input`.
///
/// `None` if it is not complete, and still within the limits. One empty line in front of it
/// is passed over (RFC 9112, 2.2).
///
/// # Errors
///
/// When it is not a request, too large, or can be read in more than one way. The connection
/// can't be used for another one.
pub(crate) fn parse_request(
    input: &[u8],
    limits: &Limits,
) -> Result<Option<ParsedRequest>, BadRequest> {
    match parse(limits.window(input), limits)? {
        None if input.len() >= limits.head_bytes => Err(BadRequest::HeadTooLarge),
        parsed => Ok(parsed),
    }
}

fn parse(input: &[u8], limits: &Limits) -> Result<Option<ParsedRequest>, BadRequest> {
    let Some((line, start)) = first_line(input)? else {
        return Ok(None);
    };
    let line = RequestLine::parse(line)?;
    let mut lines = FieldLines::new();
    let Some(len) = lines.read(input, start, limits.fields)? else {
        return Ok(None);
    };
    let control = ControlFields::of(&lines, input)?;
    let announced = Announced::of(
        control.content_length,
        control.transfer_encoding,
        line.version,
    )?;
    if NOT_FOR_ONE_CONNECTION
        .iter()
        .any(|name| control.connection.names(name))
    {
        return Err(BadRequest::ConnectionOption);
    }
    let framing = Framing::of_request(announced);
    if line.method == Method::CONNECT && framing != Framing::Empty {
        return Err(BadRequest::ConnectWithBody);
    }
    let host = host(control.host, line.version)?;
    let keep_alive = control.connection.keeps(line.version);
    let head = head(line, host, framing, &control, (&lines, input));
    Ok(Some(ParsedRequest {
        head,
        framing,
        len,
        keep_alive,
    }))
}

fn first_line(input: &[u8]) -> Result<Option<(&[u8], usize)>, BadRequest> {
    match next_line(input, 0)? {
        Some((b"", start)) => match next_line(input, start)? {
            Some((b"", _)) => Err(BadRequest::EmptyLines),
            line => Ok(line),
        },
        line => Ok(line),
    }
}

/// The value of `Host`; `None` if it is empty, or if HTTP/1.0 does without.
fn host(host: Single<'_>, version: Version) -> Result<Option<&[u8]>, BadRequest> {
    match host {
        Single::One(b"") => Ok(None),
        Single::One(host) if is_authority(host) => Ok(Some(host)),
        Single::One(_) => Err(BadRequest::Host),
        Single::Several => Err(BadRequest::SeveralHosts),
        Single::None if version == Version::HTTP_10 => Ok(None),
        Single::None => Err(BadRequest::NoHost),
    }
}

fn head(
    line: RequestLine<'_>,
    host: Option<&[u8]>,
    framing: Framing,
    control: &ControlFields<'_>,
    (lines, input): (&FieldLines, &[u8]),
) -> RequestHead {
    let target = &line.target;
    // The target's wins (RFC 9112, 3.2.2).
    let authority = target.authority.or(host);
    let extra = authority.map_or(0, <[u8]>::len) + target.path.len();
    let fields = control.copy_others(lines, input, extra, Kept::TeTrailers);
    let upgrade = match framing {
        Framing::Empty => upgrade(&line, control),
        _ => None,
    };
    let mut head = RequestHead::new(line.method, authority, target.path, fields);
    if target.lacks_slash {
        head.set_path(&[b"/", target.path].concat());
    }
    head.version = line.version;
    head.scheme = target.scheme;
    head.body = framing.body_size();
    head.set_upgrade(upgrade);
    head
}

/// The protocol that the client asks to upgrade to.
///
/// A request that offers several, or HTTP/2, goes on without: a server need not agree
/// (RFC 9110, 7.8), and Envoy does the same with `h2c`.
fn upgrade<'a>(line: &RequestLine<'_>, control: &ControlFields<'a>) -> Option<&'a [u8]> {
    let Single::One(protocol) = control.upgrade else {
        return None;
    };
    let is_asked = line.version == Version::HTTP_11
        && line.method != Method::CONNECT
        && control.connection.upgrade;
    let is_valid = protocol.splitn(2, |byte| *byte == b'/').all(is_token);
    let is_http2 = protocol.eq_ignore_ascii_case(b"h2c") || protocol.eq_ignore_ascii_case(b"h2");
    (is_asked && is_valid && !is_http2).then_some(protocol)
}

#[cfg(test)]
mod tests;
