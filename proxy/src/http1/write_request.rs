//! Heads of requests as they go out.

use http::Method;

use super::encoder::{Encoder, size_of, write_field, write_fields, write_length};
use crate::message::{BodySize, FieldName, RequestHead};

/// Bytes of the request line and of the fields that are written here, without their texts.
const FIXED: usize = 160;

/// Appends a request's head in HTTP/1.1: the target in origin-form, or in authority-form for
/// CONNECT; the head's fields, and one more, follow those that concern the message.
pub(crate) fn write_request(
    head: &RequestHead,
    more: Option<(&[u8], &[u8])>,
    out: &mut Vec<u8>,
) -> Encoder {
    let authority = head.authority().unwrap_or_default();
    let upgrade = head.upgrade();
    let texts = head.path().len() + 2 * authority.len() + upgrade.map_or(0, <[u8]>::len);
    out.reserve(FIXED + texts + size_of(&head.fields));
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target(head, authority));
    // HTTP/1.1 requires `host`; it is empty where nobody knows it (RFC 9112, 3.2).
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(authority);
    out.extend_from_slice(b"\r\n");
    // The parser leaves `te` only as `trailers`; RFC 9110 (10.1.4) wants it to be named.
    let has_te = head.fields.get(FieldName::Te).is_some();
    if let Some(protocol) = upgrade {
        let connection: &[u8] = if has_te { b"upgrade, te" } else { b"upgrade" };
        write_field(b"connection", connection, out);
        write_field(b"upgrade", protocol, out);
    } else if has_te {
        write_field(b"connection", b"te", out);
    }
    let encoder = write_framing(head, out);
    write_fields(&head.fields, out);
    if let Some((name, value)) = more {
        write_field(name, value, out);
    }
    out.extend_from_slice(b"\r\n");
    encoder
}

fn target<'a>(head: &'a RequestHead, authority: &'a [u8]) -> &'a [u8] {
    match head.path() {
        _ if head.method == Method::CONNECT => authority,
        b"" => b"/",
        path => path,
    }
}

/// Writes how long the body is.
fn write_framing(head: &RequestHead, out: &mut Vec<u8>) -> Encoder {
    match head.body {
        BodySize::Empty => {
            if head.upgrade().is_none() && usually_has_body(&head.method) {
                out.extend_from_slice(b"content-length: 0\r\n");
            }
            Encoder::of_length(0)
        }
        BodySize::Length(length) => {
            write_length(length, out);
            Encoder::of_length(length)
        }
        BodySize::Unknown => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Encoder::chunked()
        }
    }
}

/// Whether a request without a body says so, as Envoy does (RFC 9110, 8.6).
fn usually_has_body(method: &Method) -> bool {
    let without = [
        Method::GET,
        Method::HEAD,
        Method::DELETE,
        Method::TRACE,
        Method::CONNECT,
    ];
    !without.contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Fields;

    fn head(method: Method) -> RequestHead {
        let mut fields = Fields::default();
        fields.push(b"Accept", b"*/*");
        RequestHead::new(method, Some(b"reviews:9080"), b"/a?b", fields)
    }

    fn written(head: &RequestHead) -> String {
        let mut out = Vec::new();
        write_request(head, None, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_the_host_first() {
        let expected = "GET /a?b HTTP/1.1\r\nhost: reviews:9080\r\naccept: */*\r\n\r\n";
        assert_eq!(written(&head(Method::GET)), expected);
    }

    #[test]
    fn writes_an_empty_host_where_there_is_none() {
        let head = RequestHead::new(Method::GET, None, b"", Fields::default());
        assert_eq!(written(&head), "GET / HTTP/1.1\r\nhost: \r\n\r\n");
    }

    #[test]
    fn announces_bodies() {
        for (method, body, announced) in [
            (Method::GET, BodySize::Empty, ""),
            (Method::DELETE, BodySize::Empty, ""),
            (Method::POST, BodySize::Empty, "content-length: 0\r\n"),
            (
                Method::PUT,
                BodySize::Length(120),
                "content-length: 120\r\n",
            ),
            (Method::GET, BodySize::Length(1), "content-length: 1\r\n"),
            (
                Method::POST,
                BodySize::Unknown,
                "transfer-encoding: chunked\r\n",
            ),
        ] {
            let mut head = head(method.clone());
            head.body = body;
            let expected = format!(
                "{method} /a?b HTTP/1.1\r\nhost: reviews:9080\r\n{announced}accept: */*\r\n\r\n"
            );
            assert_eq!(written(&head), expected);
        }
    }

    #[test]
    fn writes_the_authority_as_the_target_of_connect() {
        let head = RequestHead::new(Method::CONNECT, Some(b"a:443"), b"", Fields::default());
        assert_eq!(
            written(&head),
            "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"
        );
    }

    #[test]
    fn writes_one_more_field_last() {
        let mut out = Vec::new();
        write_request(&head(Method::GET), Some((&b"x"[..], &b"1"[..])), &mut out);
        assert!(out.ends_with(b"accept: */*\r\nx: 1\r\n\r\n"));
    }

    #[test]
    fn names_in_connection_what_is_for_the_next_hop_only() {
        let mut head = head(Method::GET);
        head.fields.set(FieldName::Te, b"trailers");
        assert!(written(&head).contains("\r\nconnection: te\r\naccept: */*\r\nte: trailers\r\n"));
        head.set_upgrade(Some(b"websocket"));
        assert!(written(&head).contains("\r\nconnection: upgrade, te\r\nupgrade: websocket\r\n"));
        head.fields.retain(|known, _, _| known != FieldName::Te);
        assert!(written(&head).contains("\r\nconnection: upgrade\r\nupgrade: websocket\r\n"));
    }
}
