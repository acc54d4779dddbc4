//! Which fields may come behind a body.
//!
//! Many servers add trailers to the fields of the head. What the proxy has checked, replaced or
//! removed in the head must not come in behind the body instead, nor must what RFC 9110 (6.5.1) keeps
//! out because it comes too late there.

use super::FieldName;

/// Whose trailers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrailersOf {
    Request,
    Response,
}

impl TrailersOf {
    /// Whether a field may be among them. Its name is in lower case, and what it is known as.
    pub fn allow(self, known: FieldName, name: &[u8]) -> bool {
        // The one field that is in most trailers.
        if known == FieldName::GrpcStatus {
            return true;
        }
        let is_for_heads = frames_a_message(known)
            || describes_content(name)
            || authenticates(name)
            || is_of_a_proxy(name);
        // A server of gRPC may say the others behind its response for its own ends.
        let is_for_heads_of_requests =
            || controls_a_request(name) || controls_a_response(name) || is_of_the_way(name);
        !is_for_heads && (self == Self::Response || !is_for_heads_of_requests())
    }
}

/// Whether a field says how long a message is or where it goes, or is for one connection. A codec
/// writes none of them behind a body, wherever they come from.
pub(crate) fn frames_a_message(known: FieldName) -> bool {
    known.is_reserved() || known == FieldName::Expect
}

/// What has to be known before a body is read.
fn describes_content(name: &[u8]) -> bool {
    matches!(
        name,
        b"content-disposition"
            | b"content-encoding"
            | b"content-location"
            | b"content-range"
            | b"content-type"
    )
}

/// Who somebody is.
fn authenticates(name: &[u8]) -> bool {
    matches!(
        name,
        b"authorization"
            | b"cookie"
            | b"cookie2"
            | b"proxy-authenticate"
            | b"proxy-authorization"
            | b"set-cookie"
            | b"set-cookie2"
            | b"www-authenticate"
    )
}

/// What a request asks for, and on which conditions.
fn controls_a_request(name: &[u8]) -> bool {
    matches!(
        name,
        b"cache-control"
            | b"grpc-timeout"
            | b"if"
            | b"if-match"
            | b"if-modified-since"
            | b"if-none-match"
            | b"if-range"
            | b"if-unmodified-since"
            | b"max-forwards"
            | b"pragma"
            | b"range"
    )
}

/// What is done with a response.
fn controls_a_response(name: &[u8]) -> bool {
    matches!(
        name,
        b"age"
            | b"date"
            | b"expires"
            | b"last-modified"
            | b"location"
            | b"retry-after"
            | b"vary"
            | b"warning"
    )
}

/// What proxies say in either direction.
fn is_of_a_proxy(name: &[u8]) -> bool {
    matches!(name, b"server" | b"via") || name.starts_with(b"x-envoy-")
}

/// What proxies say of a request's way, or believe: who sent it, and to which trace it belongs.
fn is_of_the_way(name: &[u8]) -> bool {
    let starts: [&[u8]; 2] = [b"x-forwarded-", b"x-b3-"];
    starts.iter().any(|start| name.starts_with(start))
        || matches!(
            name,
            b"b3"
                | b"forwarded"
                | b"traceparent"
                | b"tracestate"
                | b"user-agent"
                | b"x-client-trace-id"
                | b"x-request-id"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(of: TrailersOf, name: &str) -> bool {
        of.allow(FieldName::of(name.as_bytes()), name.as_bytes())
    }

    #[test]
    fn own_fields_of_applications_pass() {
        for name in [
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "grpc-retry-pushback-ms",
            "x-sum",
            "content-digest",
            "etag",
            "server-timing",
            "x-forwarded",
            "x-b3",
            "x-envoy",
            "",
        ] {
            assert!(allows(TrailersOf::Request, name), "{name}");
            assert!(allows(TrailersOf::Response, name), "{name}");
        }
    }

    #[test]
    fn what_is_for_heads_does_not() {
        for name in [
            "transfer-encoding",
            "content-length",
            "host",
            "connection",
            "te",
            "trailer",
            "expect",
            "content-type",
            "content-range",
            "authorization",
            "proxy-authorization",
            "www-authenticate",
            "cookie",
            "set-cookie",
            "server",
            "via",
            "x-envoy-upstream-service-time",
            "x-envoy-retry-on",
            "x-envoy-of-tomorrow",
        ] {
            assert!(!allows(TrailersOf::Request, name), "{name}");
            assert!(!allows(TrailersOf::Response, name), "{name}");
        }
    }

    #[test]
    fn what_has_a_meaning_for_requests_does_not_come_behind_them() {
        for name in [
            "if-none-match",
            "range",
            "cache-control",
            "max-forwards",
            "grpc-timeout",
            "age",
            "location",
            "retry-after",
            "date",
            "x-forwarded-client-cert",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "forwarded",
            "x-request-id",
            "x-client-trace-id",
            "b3",
            "x-b3-traceid",
            "x-b3-sampled",
            "traceparent",
            "tracestate",
            "user-agent",
        ] {
            assert!(!allows(TrailersOf::Request, name), "{name}");
            assert!(allows(TrailersOf::Response, name), "{name}");
        }
    }
}
