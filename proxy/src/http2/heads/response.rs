//! Heads of responses.

use http::{Response, StatusCode, Version};

use super::{exchange::Asked, fields, refusal::BadHead};
use crate::message::{BodySize, Broken, FieldName, ResponseHead};

/// Reads a head that came. `ended`: nothing follows it. `max_fields` is how many fields it
/// may have.
///
/// # Errors
///
/// Also when the server switches protocols, which HTTP/2 has no status for (RFC 9113, 8.6).
pub(in crate::http2) fn read_response(
    response: Response<()>,
    ended: bool,
    asked: &Asked,
    max_fields: usize,
) -> Result<ResponseHead, BadHead> {
    let (parts, ()) = response.into_parts();
    let read = fields::read(&parts.headers, max_fields)?;
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(BadHead::Switch);
    }
    let mut head = ResponseHead::new(parts.status);
    head.version = Version::HTTP_2;
    head.fields = read.fields;
    let length = read.content_length;
    let may_have_length =
        !parts.status.is_informational() && parts.status != StatusCode::NO_CONTENT;
    if !may_have_length && length.is_some_and(|length| length > 0) {
        return Err(BadHead::BodyNotAllowed);
    }
    if asked.is_tunnel(parts.status) {
        head.body = BodySize::Unknown;
        if let Some(protocol) = &asked.upgrade {
            head.status = StatusCode::SWITCHING_PROTOCOLS;
            head.fields
                .push(FieldName::Upgrade.as_str().as_bytes(), protocol);
        }
    } else if asked.has_no_body(parts.status) {
        head.length_without_body = length.filter(|_| may_have_length);
    } else {
        head.body = match (length, ended) {
            (Some(1..), true) => return Err(BadHead::BodyMissing),
            (_, true) => BodySize::Empty,
            (Some(length @ 1..), false) => BodySize::Length(length),
            // Maybe with trailers after no data, so it has not ended.
            (Some(0) | None, false) => BodySize::Unknown,
        };
    }
    Ok(head)
}

/// Writes a head, and says whether it is the end of the stream.
pub(in crate::http2) fn write_response(
    head: &ResponseHead,
    asked: &Asked,
) -> Result<(Response<()>, bool), Broken> {
    let mut response = Response::new(());
    let mut headers = fields::write(&head.fields)?;
    let accepts = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let (status, is_tunnel) = match (&asked.upgrade, accepts) {
        (Some(_), true) => (StatusCode::OK, true),
        (None, true) => {
            return Err(Broken::Protocol("switches_protocols_unasked"));
        }
        // The client would take it for a tunnel (RFC 8441, 4).
        (Some(_), false) if head.status.is_success() => {
            return Err(Broken::Protocol("takes_no_upgrades"));
        }
        _ => (head.status, asked.is_tunnel(head.status)),
    };
    let length = match head.body {
        _ if is_tunnel => None,
        BodySize::Length(length) => Some(length),
        BodySize::Empty | BodySize::Unknown => head.length_without_body,
    };
    if let Some(length) = length {
        fields::set_length(&mut headers, length);
    }
    *response.headers_mut() = headers;
    *response.status_mut() = status;
    let ended = head.body == BodySize::Empty && !is_tunnel && !head.is_interim();
    Ok((response, ended))
}

#[cfg(test)]
mod tests;
