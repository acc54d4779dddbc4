//! What Jaeger's store answers. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::span::{Span, Trace};

/// An answer with traces.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    data: Option<Vec<Found>>,
}

#[derive(Debug, Deserialize)]
struct Found {
    spans: Vec<Stored>,
    #[serde(default)]
    processes: BTreeMap<String, Process>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(rename = "traceID")]
    trace: String,
    #[serde(rename = "spanID")]
    id: String,
    operation_name: String,
    #[serde(default)]
    references: Vec<Reference>,
    start_time: u64,
    duration: u64,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(rename = "processID", default)]
    process: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "spanID")]
    span: String,
}

#[derive(Debug, Deserialize)]
struct Tag {
    key: String,
    value: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
}

impl Answer {
    /// Its traces.
    pub fn traces(self) -> Vec<Trace> {
        let found = self.data.into_iter().flatten();
        found.filter_map(trace).collect()
    }
}

fn trace(found: Found) -> Option<Trace> {
    let processes = found.processes;
    let service = |process: &str| processes.get(process).map(|one| one.service_name.clone());
    let spans = found.spans.into_iter().map(|span| Span {
        service: service(&span.process).unwrap_or_default(),
        kind: tag(&span, "span.kind").unwrap_or_default(),
        status: tag(&span, "http.status_code"),
        is_error: tag(&span, "error").is_some_and(|value| value != "false"),
        parent: parent(&span),
        trace: span.trace,
        id: span.id,
        name: span.operation_name,
        start: span.start_time,
        duration: span.duration,
    });
    Trace::of(spans.collect())
}

fn parent(span: &Stored) -> Option<String> {
    let mut references = span.references.iter();
    let parent = references.find(|reference| reference.ref_type == "CHILD_OF")?;
    Some(parent.span.clone())
}

fn tag(span: &Stored, name: &str) -> Option<String> {
    let tag = span.tags.iter().find(|tag| tag.key == name)?;
    Some(match &tag.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trace_has_services_parents_and_errors() {
        let answer = json!({"data": [{
            "traceID": "7",
            "spans": [
                {"traceID": "7", "spanID": "a", "operationName": "web:80/*", "references": [],
                 "startTime": 10, "duration": 5, "processID": "p1", "warnings": null,
                 "tags": [{"key": "span.kind", "type": "string", "value": "server"},
                          {"key": "http.status_code", "type": "int64", "value": 503},
                          {"key": "error", "type": "bool", "value": true}]},
                {"traceID": "7", "spanID": "b", "operationName": "db:80/*", "startTime": 11, "duration": 2,
                 "references": [{"refType": "CHILD_OF", "traceID": "7", "spanID": "a"}],
                 "processID": "p2", "tags": [{"key": "error", "type": "string", "value": "false"}]},
            ],
            "processes": {"p1": {"serviceName": "web.shop", "tags": []}},
        }]});
        let answer: Answer = serde_json::from_value(answer).unwrap();
        let [trace] = &answer.traces()[..] else {
            panic!("one trace");
        };
        assert_eq!(
            (trace.id.as_str(), trace.start(), trace.duration()),
            ("7", 10, 5)
        );
        let [web, db] = &trace.spans[..] else {
            panic!("two spans");
        };
        assert_eq!((&*web.service, &*web.kind), ("web.shop", "server"));
        assert_eq!((web.status.as_deref(), web.is_error), (Some("503"), true));
        assert_eq!(web.parent, None);
        // What it does not say is not known.
        assert_eq!((&*db.service, &*db.kind), ("", ""));
        assert_eq!((db.parent.as_deref(), db.is_error), (Some("a"), false));
    }
}
