//! What Zipkin's store answers. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::span::{Span, Trace};

/// A span as Zipkin has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    trace_id: String,
    id: String,
    parent_id: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    timestamp: u64,
    #[serde(default)]
    duration: u64,
    #[serde(default)]
    local_endpoint: Endpoint,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    #[serde(default)]
    service_name: String,
}

/// The trace that spans make.
pub(super) fn trace(spans: Vec<Stored>) -> Option<Trace> {
    let spans = spans.into_iter().map(|mut span| Span {
        is_error: span.tags.contains_key("error"),
        status: span.tags.remove("http.status_code"),
        trace: span.trace_id,
        id: span.id,
        parent: span.parent_id,
        service: span.local_endpoint.service_name,
        name: span.name,
        kind: span.kind.to_ascii_lowercase(),
        start: span.timestamp,
        duration: span.duration,
    });
    Trace::of(spans.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trace_has_services_parents_and_errors() {
        let spans = json!([
            {"traceId": "7", "id": "a", "kind": "SERVER", "name": "web:80/*", "timestamp": 10, "duration": 5,
             "localEndpoint": {"serviceName": "web.shop", "ipv4": "10.0.0.1"},
             "tags": {"http.status_code": "503", "error": "503"}},
            {"traceId": "7", "parentId": "a", "id": "b"},
        ]);
        let trace = trace(serde_json::from_value(spans).unwrap()).unwrap();
        assert_eq!(trace.id, "7");
        let [web, other] = &trace.spans[..] else {
            panic!("two spans");
        };
        assert_eq!((&*web.service, &*web.kind), ("web.shop", "server"));
        assert_eq!((web.status.as_deref(), web.is_error), (Some("503"), true));
        assert_eq!((web.start, web.duration), (10, 5));
        assert_eq!(
            (other.parent.as_deref(), other.is_error),
            (Some("a"), false)
        );
    }

    #[test]
    fn no_spans_are_no_trace() {
        assert_eq!(trace(Vec::new()), None);
    }
}
