//! Responses that the proxy makes itself.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use http::{Method, StatusCode};

use super::failure::Failure;
use crate::message::{BodySize, Broken, FieldName, Piece, RequestHead, ResponseHead, Source};

/// How many pieces of a body, of up to 16 KB each, are read to keep a connection.
const MAX_DISCARDED: u32 = 4;

/// The head and the body that answer a request with a failure.
pub(super) fn local_reply(request: &RequestHead, failure: &Failure) -> (ResponseHead, Vec<u8>) {
    let text = failure.to_string();
    let (mut head, body) = match is_grpc(request) {
        true => (grpc_reply(failure.grpc_status(), &text), Vec::new()),
        false => text_reply(failure.status(), &request.method, text),
    };
    if matches!(failure, Failure::Overflow { .. }) {
        head.fields.push(b"x-envoy-overloaded", b"true");
    }
    (head, body)
}

/// The answer of a route that sends the client elsewhere.
pub(super) fn redirect_reply(status: StatusCode, location: &[u8]) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    head.fields.push(b"location", location);
    head
}

/// The answer of a route that has one itself.
pub(super) fn direct_reply(status: StatusCode, method: &Method, body: &[u8]) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    let may_have_body = !matches!(status.as_u16(), 100..=199 | 204 | 304);
    if may_have_body && !body.is_empty() {
        head.fields.push(b"content-type", b"text/plain");
        announce(&mut head, method, body.len());
    }
    head
}

/// A reply in plain text, also to input that is not a request.
pub(super) fn text_reply(
    status: StatusCode,
    method: &Method,
    mut text: String,
) -> (ResponseHead, Vec<u8>) {
    text.push('\n');
    let mut head = ResponseHead::new(status);
    head.fields.push(b"content-type", b"text/plain");
    announce(&mut head, method, text.len());
    match head.body {
        BodySize::Empty => (head, Vec::new()),
        _ => (head, text.into_bytes()),
    }
}

/// Says how long the body is, which stays away from the response to HEAD.
fn announce(head: &mut ResponseHead, method: &Method, length: usize) {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if *method == Method::HEAD {
        head.length_without_body = Some(length);
    } else {
        head.body = BodySize::Length(length);
    }
}

/// Clients of gRPC look for the status in the trailers, which may be the head (gRPC over
/// HTTP/2, "Trailers-Only").
fn grpc_reply(status: u32, text: &str) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields.push(b"content-type", b"application/grpc");
    head.fields
        .push(b"grpc-status", status.to_string().as_bytes());
    head.fields
        .push(b"grpc-message", percent_encoded(text).as_bytes());
    head
}

/// Whether a request is one of gRPC, by its content type.
pub(super) fn is_grpc(request: &RequestHead) -> bool {
    let media = request
        .fields
        .get(FieldName::ContentType)
        .unwrap_or_default();
    let rest = media.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=31 | 127.. => encoded.push_str(&format!("%{byte:02X}")),
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

/// Discards what has arrived of the body of a request that is answered here, and waits for
/// no more. If that is all of it, the client's connection can be kept.
pub(super) async fn discard(body: &mut impl Source) {
    poll_fn(|context| {
        for _ in 0..MAX_DISCARDED {
            let Poll::Ready(Ok(Piece::Data(data))) = body.poll_piece(context) else {
                break;
            };
            let len = data.len();
            body.consume(len);
        }
        Poll::Ready(())
    })
    .await;
}

/// A body that the proxy makes itself.
pub(super) struct Text<'a>(pub &'a [u8]);

impl Source for Text<'_> {
    fn poll_piece(&mut self, _context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        Poll::Ready(Ok(match self.0 {
            [] => Piece::End,
            text => Piece::Data(text),
        }))
    }

    fn consume(&mut self, bytes: usize) {
        self.0 = &self.0[bytes..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Fields;

    fn request(method: Method, content_type: &[u8]) -> RequestHead {
        let mut fields = Fields::default();
        fields.push(b"content-type", content_type);
        RequestHead::new(method, Some(b"a"), b"/", fields)
    }

    #[test]
    fn says_why_as_text() {
        let (head, body) = local_reply(&request(Method::POST, b"text/html"), &Failure::NoRoute);
        assert_eq!(head.status, 404);
        let length = u64::try_from(body.len()).unwrap();
        assert_eq!(head.body, BodySize::Length(length));
        assert!(
            String::from_utf8(body)
                .unwrap()
                .starts_with("no route matches")
        );
        let (head, body) = local_reply(&request(Method::HEAD, b""), &Failure::NoRoute);
        assert_eq!((head.body, body.len()), (BodySize::Empty, 0));
        assert!(head.length_without_body > Some(20));
    }

    #[test]
    fn says_why_as_a_grpc_status() {
        for content_type in [&b"application/grpc"[..], b"application/grpc+proto"] {
            let request = request(Method::POST, content_type);
            let (head, body) = local_reply(&request, &Failure::NoRoute);
            assert_eq!((head.status.as_u16(), body.len()), (200, 0));
            assert_eq!(head.fields.get(FieldName::GrpcStatus), Some(&b"12"[..]));
        }
        let web = request(Method::POST, b"application/grpc-web");
        assert_eq!(local_reply(&web, &Failure::NoRoute).0.status, 404);
        assert_eq!(percent_encoded("50%\n\u{e9}"), "50%25%0A%C3%A9");
    }
}
