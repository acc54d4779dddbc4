//! The fields that a sidecar adds to what it passes on, as Istio's do.

use std::time::Duration;

use super::{edge::proto, routing::Target};
use crate::{
    clock::HttpDate,
    message::{FieldName, RequestHead, ResponseHead, Scheme},
};

/// What applications ask Envoy for. A server must not take it for its own.
const FOR_THE_PROXY: [FieldName; 5] = [
    FieldName::XEnvoyMaxRetries,
    FieldName::XEnvoyRetryGrpcOn,
    FieldName::XEnvoyRetryOn,
    FieldName::XEnvoyTimeout,
    FieldName::XEnvoyTryTimeout,
];

/// Adds to a request what routes and servers look at. `scheme` is how it came, and `request_id` makes a
/// new id.
pub(super) fn edit_request(
    head: &mut RequestHead,
    scheme: Scheme,
    request_id: impl FnOnce() -> [u8; 36],
) {
    let fields = &mut head.fields;
    if fields.get(FieldName::XForwardedProto).is_none() {
        fields.push(b"x-forwarded-proto", proto(scheme));
    }
    if fields
        .get(FieldName::XRequestId)
        .is_none_or(<[u8]>::is_empty)
    {
        fields.set(FieldName::XRequestId, &request_id());
    }
}

/// Changes a request as its route says. `timeout` is how long the response may take.
pub(super) fn edit_by_route(head: &mut RequestHead, to: &Target<'_>, timeout: Option<Duration>) {
    let Target { route, forward, .. } = *to;
    head.fields
        .retain(|known, _, _| !FOR_THE_PROXY.contains(&known));
    let per_try = forward
        .retry
        .as_ref()
        .and_then(|retry| retry.per_try_timeout);
    if let Some(expected) = per_try.or(timeout) {
        let mut text = itoa::Buffer::new();
        let value = text.format(expected.as_millis()).as_bytes();
        head.fields.set(FieldName::XEnvoyExpectedTimeout, value);
    }
    if let Some(weighted) = to.weighted {
        weighted.request_headers.apply(&mut head.fields);
    }
    route.request_headers.apply(&mut head.fields);
    let of_weighted = || to.weighted?.host_rewrite.as_deref();
    if let Some(host) = forward.host_rewrite.as_deref().or_else(of_weighted) {
        if let Some(old) = head.authority().map(<[u8]>::to_vec) {
            head.fields.set(FieldName::XEnvoyOriginalHost, &old);
        }
        head.set_authority(host);
    }
    if let Some(rewrite) = &forward.path_rewrite
        && !head.path().is_empty()
    {
        let old = head.path().to_vec();
        let new = rewrite.apply(&old, route.matches.path.matched_len(&old));
        head.fields.set(FieldName::XEnvoyOriginalPath, &old);
        head.set_path(&new);
    }
}

/// Says which attempt it is (`x-envoy-attempt-count`).
pub(super) fn set_attempt(head: &mut RequestHead, attempt: u32) {
    let mut text = itoa::Buffer::new();
    let value = text.format(attempt).as_bytes();
    head.fields.set(FieldName::XEnvoyAttemptCount, value);
}

/// Says how long the server took (`x-envoy-upstream-service-time`).
pub(super) fn set_service_time(head: &mut ResponseHead, time: Duration) {
    let mut text = itoa::Buffer::new();
    let value = text.format(time.as_millis()).as_bytes();
    head.fields.set(FieldName::XEnvoyUpstreamServiceTime, value);
}

/// Prepares a response for the client. `server` is the field's value, and `service_time` how long
/// the server took, where there was one.
pub(super) fn edit_response(
    head: &mut ResponseHead,
    server: &[u8],
    service_time: Option<Duration>,
    date: &HttpDate,
) {
    if let Some(time) = service_time {
        set_service_time(head, time);
    }
    let fields = &mut head.fields;
    if fields.get(FieldName::Date).is_none() {
        fields.push(b"date", &date.now());
    }
    fields.set(FieldName::Server, server);
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
        edit_request(&mut head, Scheme::Http, || ID);
        set_attempt(&mut head, 1);
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
        edit_request(&mut head, Scheme::Http, || ID);
        let after: Vec<_> = head.fields.iter().collect();
        assert_eq!(after, fields.iter().collect::<Vec<_>>());
    }

    #[test]
    fn responses_say_which_side_they_passed() {
        let date = HttpDate::default();
        let mut head = ResponseHead::new(StatusCode::OK);
        head.fields.push(b"server", b"nginx");
        let time = Some(Duration::from_millis(12));
        edit_response(&mut head, b"istio-envoy", time, &date);
        let value = |name| head.fields.get(name).unwrap();
        assert_eq!(value(FieldName::Server), b"istio-envoy");
        assert_eq!(value(FieldName::XEnvoyUpstreamServiceTime), b"12");
        assert_eq!(value(FieldName::Date).len(), 29);
        edit_response(&mut head, b"envoy", None, &date);
        assert_eq!(head.fields.get(FieldName::Server), Some(&b"envoy"[..]));
    }
}
