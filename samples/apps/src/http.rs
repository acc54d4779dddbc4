//! Bodies, answers, and the headers that an application passes on.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde::Serialize;
use std::{collections::BTreeMap, convert::Infallible};

/// The body of every request and answer that is sent.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The most that is kept of a body that has to be kept whole.
pub const BODY_LIMIT: usize = 10 << 20;

/// What joins spans into a trace, and what routes look at. An application that doesn't
/// pass these on breaks both; `end-user` is Bookinfo's own.
const PASSED_ON: [&str; 21] = [
    "x-request-id",
    "x-ot-span-context",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "traceparent",
    "tracestate",
    "grpc-trace-bin",
    "x-cloud-trace-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "sw8",
    "end-user",
    "user-agent",
    "cookie",
    "authorization",
    "jwt",
];

/// The headers of `incoming` that a request made on its behalf carries.
pub fn passed_on(incoming: &HeaderMap) -> HeaderMap {
    let mut outgoing = HeaderMap::new();
    for name in PASSED_ON.map(HeaderName::from_static) {
        for value in incoming.get_all(&name) {
            outgoing.append(name.clone(), value.clone());
        }
    }
    outgoing
}

/// A body that is known whole.
pub fn whole(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).boxed_unsync()
}

/// An answer with a body of this type.
pub fn answer(
    status: StatusCode,
    content_type: &'static str,
    content: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(whole(content));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Plain text.
pub fn text(status: StatusCode, content: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", content)
}

/// A page.
pub fn html(content: impl Into<Bytes>) -> Response<Body> {
    answer(StatusCode::OK, "text/html; charset=utf-8", content)
}

/// JSON.
pub fn json(status: StatusCode, content: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(content) {
        Ok(bytes) => answer(status, "application/json", bytes),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("can't write the answer as JSON: {error}\n"),
        ),
    }
}

/// JSON with the one field `error`.
pub fn json_error(status: StatusCode, message: &str) -> Response<Body> {
    json(status, &BTreeMap::from([("error", message)]))
}

/// A 400 that says what the request should be.
pub fn bad_request(usage: &str) -> Response<Body> {
    text(StatusCode::BAD_REQUEST, format!("{usage}\n"))
}

/// Says that there is nothing at this path.
pub fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "not found\n")
}

/// Reads a request's body whole, or says which answer its sender gets.
pub async fn read(body: Incoming, limit: usize) -> Result<Bytes, Response<Body>> {
    let too_large = || {
        text(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body has at most {limit} bytes here\n"),
        )
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(text(
            StatusCode::BAD_REQUEST,
            format!("the body ended early: {error}\n"),
        )),
    }
}

/// The segments of a path, without empty ones at its ends.
pub fn segments(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

/// This pod's name.
pub fn pod() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_on_what_joins_traces_and_nothing_of_the_connection() {
        let mut incoming = HeaderMap::new();
        for name in [
            "x-request-id",
            "x-b3-traceid",
            "b3",
            "traceparent",
            "x-datadog-trace-id",
            "sw8",
            "end-user",
            "host",
            "connection",
            "x-other",
        ] {
            incoming.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static("value"),
            );
        }
        for (name, value) in [
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("tracestate", "one=1"),
            ("tracestate", "two=2"),
        ] {
            incoming.append(name, HeaderValue::from_static(value));
        }

        let outgoing = passed_on(&incoming);

        for name in ["cookie", "tracestate"] {
            assert_eq!(outgoing.get_all(name).iter().count(), 2, "{name}");
        }
        for name in [
            "x-request-id",
            "x-b3-traceid",
            "b3",
            "traceparent",
            "x-datadog-trace-id",
            "sw8",
            "end-user",
        ] {
            assert!(outgoing.contains_key(name), "{name}");
        }
        for name in ["host", "connection", "x-other"] {
            assert!(!outgoing.contains_key(name), "{name}");
        }
    }

    #[test]
    fn splits_a_path_into_its_segments() {
        assert_eq!(
            segments("/api/v1/products/0/"),
            ["api", "v1", "products", "0"]
        );
        assert_eq!(segments("/"), [""]);
    }
}
