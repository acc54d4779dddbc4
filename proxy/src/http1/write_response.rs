//! Heads of responses as they go out.

use http::{Method, StatusCode, Version};

use super::encoder::{Encoder, size_of, write_field, write_fields, write_length};
use crate::message::{BodySize, ResponseHead};

/// Bytes of the status line and of the fields that are written here.
const FIXED: usize = 160;

/// What the request that is answered says of the response.
#[derive(Debug, Clone)]
pub(crate) struct ResponseOptions {
    /// Of the request: the response to HEAD has no body, and 2xx to CONNECT starts a tunnel.
    pub method: Method,
    /// Of the client.
    pub version: Version,
    /// Whether the connection may be kept after the response, for all that the client and
    /// the pipeline say.
    pub keep_alive: bool,
}

/// Appends a response's head. The second value says whether the connection can be kept after
/// the body; after a head of 1xx it means nothing.
///
/// A client of HTTP/1.0 is answered in HTTP/1.0, as by Envoy, and gets no interim head: for it
/// nothing is written (RFC 9110, 15.2).
pub(crate) fn write_response(
    head: &ResponseHead,
    options: &ResponseOptions,
    out: &mut Vec<u8>,
) -> (Encoder, bool) {
    let is_old = options.version == Version::HTTP_10;
    if head.is_interim() {
        if !is_old {
            write_interim(head, out);
        }
        return (Encoder::of_length(0), options.keep_alive);
    }
    out.reserve(FIXED + size_of(&head.fields));
    write_status_line(head.status, is_old, out);
    let body = Body::of(head, options);
    let encoder = body.write(out);
    let keep_alive = options.keep_alive && !matches!(body, Body::UntilClose | Body::Tunnel);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        write_field(b"connection", b"upgrade", out);
    } else if body != Body::Tunnel && !keep_alive {
        write_field(b"connection", b"close", out);
    } else if body != Body::Tunnel && is_old {
        write_field(b"connection", b"keep-alive", out);
    }
    end_head(head, out);
    (encoder, keep_alive)
}

fn write_interim(head: &ResponseHead, out: &mut Vec<u8>) {
    out.reserve(FIXED + size_of(&head.fields));
    write_status_line(head.status, false, out);
    end_head(head, out);
}

fn write_status_line(status: StatusCode, is_old: bool, out: &mut Vec<u8>) {
    let version = if is_old { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
    out.extend_from_slice(version);
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    let reason = status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn end_head(head: &ResponseHead, out: &mut Vec<u8>) {
    write_fields(&head.fields, out);
    out.extend_from_slice(b"\r\n");
}

/// How the body of a final response is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// It has none, and says nothing of the length that it would have.
    None,
    /// It has none, but would have so many bytes.
    StaysAway(u64),
    Length(u64),
    Chunked,
    UntilClose,
    Tunnel,
}

impl Body {
    fn of(head: &ResponseHead, options: &ResponseOptions) -> Self {
        let status = head.status;
        let is_head = options.method == Method::HEAD;
        if status == StatusCode::SWITCHING_PROTOCOLS
            || options.method == Method::CONNECT && status.is_success()
        {
            return Self::Tunnel;
        }
        if status == StatusCode::NO_CONTENT {
            return Self::None;
        }
        if is_head || status == StatusCode::NOT_MODIFIED {
            return match (head.length_without_body, head.body) {
                (Some(length), _) | (None, BodySize::Length(length)) => Self::StaysAway(length),
                (None, BodySize::Empty | BodySize::Unknown) => Self::None,
            };
        }
        match head.body {
            BodySize::Empty => Self::Length(0),
            BodySize::Length(length) => Self::Length(length),
            BodySize::Unknown if options.version == Version::HTTP_10 => Self::UntilClose,
            BodySize::Unknown => Self::Chunked,
        }
    }

    fn write(self, out: &mut Vec<u8>) -> Encoder {
        match self {
            Self::None => Encoder::of_length(0),
            Self::StaysAway(length) => {
                write_length(length, out);
                Encoder::of_length(0)
            }
            Self::Length(length) => {
                write_length(length, out);
                Encoder::of_length(length)
            }
            Self::Chunked => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Encoder::chunked()
            }
            Self::UntilClose | Self::Tunnel => Encoder::until_close(),
        }
    }
}

#[cfg(test)]
mod tests;
