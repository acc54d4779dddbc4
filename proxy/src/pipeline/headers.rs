//! The fields that a sidecar adds to what it passes on, as Istio's do.

use std::time::Duration;

use crate::{
    clock::HttpDate,
    message::{FieldName, RequestHead, ResponseHead},
    traffic::Direction,
};

/// Prepares a request for its server. `request_id` makes a new id.
pub(super) fn edit_request(
    head: &mut RequestHead,
    direction: Direction,
    request_id: impl FnOnce() -> [u8; 36],
) {
    let fields = &mut head.fields;
    if fields.get(FieldName::XForwardedProto).is_none() {
        // Connections are plain text until workloads have certificates.
        fields.push(b"x-forwarded-proto", b"http");
    }
    if fields
        .get(FieldName::XRequestId)
        .is_none_or(<[u8]>::is_empty)
    {
        fields.set(FieldName::XRequestId, &request_id());
    }
    if direction == Direction::Outbound {
        set_attempt(head, 1);
    }
}

/// Says which attempt it is (`x-envoy-attempt-count`).
pub(super) fn set_attempt(head: &mut RequestHead, attempt: u32) {
    let mut text = itoa::Buffer::new();
    let value = text.format(attempt).as_bytes();
    head.fields.set(FieldName::XEnvoyAttemptCount, value);
}

/// Prepares a response for the client. `service_time` is how long the server took, where
/// there was one.
pub(super) fn edit_response(
    head: &mut ResponseHead,
    direction: Direction,
    service_time: Option<Duration>,
    date: &HttpDate,
) {
    let fields = &mut head.fields;
    if let Some(time) = service_time {
        let mut text = itoa::Buffer::new();
        let value = text.format(time.as_millis()).as_bytes();
        fields.set(FieldName::XEnvoyUpstreamServiceTime, value);
    }
    if fields.get(FieldName::Date).is_none() {
        fields.push(b"date", &date.now());
    }
    fields.set(
        FieldName::Server,
        match direction {
            Direction::Inbound => b"istio-envoy",
            Direction::Outbound => b"envoy",
        },
    );
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use super::*;
    use crate::message::Fields;

    const ID: [u8; 36] = *b"6dcfe2a5-1e1c-4d0a-9d3f-0d0f7c1f8a11";

    #[test]
    fn requests_get_what_they_lack() {
        let mut head = RequestHead::new(Method::GET, Some(b"a"), b"/", Fields::default());
        edit_request(&mut head, Direction::Outbound, || ID);
        let value = |name| head.fields.get(name).unwrap();
        assert_eq!(value(FieldName::XForwardedProto), b"http");
        assert_eq!(value(FieldName::XRequestId), ID);
        assert_eq!(value(FieldName::XEnvoyAttemptCount), b"1");
    }

    #[test]
    fn what_a_request_has_is_kept() {
        let mut fields = Fields::default();
        fields.push(b"x-request-id", b"mine");
        fields.push(b"x-forwarded-proto", b"https");
        let mut head = RequestHead::new(Method::GET, Some(b"a"), b"/", fields.clone());
        edit_request(&mut head, Direction::Inbound, || ID);
        let after: Vec<_> = head.fields.iter().collect();
        assert_eq!(after, fields.iter().collect::<Vec<_>>());
    }

    #[test]
    fn responses_say_which_side_they_passed() {
        let date = HttpDate::default();
        let mut head = ResponseHead::new(StatusCode::OK);
        head.fields.push(b"server", b"nginx");
        let time = Some(Duration::from_millis(12));
        edit_response(&mut head, Direction::Inbound, time, &date);
        let value = |name| head.fields.get(name).unwrap();
        assert_eq!(value(FieldName::Server), b"istio-envoy");
        assert_eq!(value(FieldName::XEnvoyUpstreamServiceTime), b"12");
        assert_eq!(value(FieldName::Date).len(), 29);
        edit_response(&mut head, Direction::Outbound, None, &date);
        assert_eq!(head.fields.get(FieldName::Server), Some(&b"envoy"[..]));
    }
}
