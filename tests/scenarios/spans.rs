//! The spans that proxies send to a scenario's collector, as values of outcomes.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use pillion_envoy_api::opentelemetry::proto::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value as AnyValue,
    trace::v1::span::SpanKind,
};
use prost::Message as _;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::{
    case::{Case, Exchange},
    outcome::Outcome,
    upstream::{Received, Recorder},
};

/// Generous: nothing is measured. Our proxy sends spans every second.
const PATIENCE: Duration = Duration::from_secs(20);
/// Tags whose values differ from request to request.
const UNSTEADY: &str = "guid:x-request-id";
/// What tells of a trace.
const CONTEXTS: [&str; 5] = [
    "up.x-b3-traceid",
    "up.x-b3-spanid",
    "up.x-b3-parentspanid",
    "up.b3",
    "up.traceparent",
];

/// A span, whoever it was for.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: String,
    pub name: String,
    pub kind: String,
    pub parent: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// Reads a report: of Zipkin in JSON, or of OpenTelemetry in protobuf.
pub fn read(path: &str, body: &[u8]) -> Vec<Span> {
    match path {
        "/v1/traces" => of_open_telemetry(body),
        _ => of_zipkin(body),
    }
}

fn of_zipkin(body: &[u8]) -> Vec<Span> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spans: Vec<Value> = serde_json::from_slice(body).unwrap();
    let spans = spans.iter().map(|span| Span {
        trace: text(&span["traceId"]),
        name: text(&span["name"]),
        kind: text(&span["kind"]),
        parent: span["parentId"].as_str().map(str::to_owned),
        tags: span["tags"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    });
    spans.collect()
}

fn of_open_telemetry(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|it| it.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| {
        let tags = span.attributes.into_iter().map(|tag| {
            let value = match tag.value.and_then(|value| value.value) {
                Some(AnyValue::StringValue(text)) => text,
                other => format!("{other:?}"),
            };
            (tag.key, value)
        });
        let kind = match SpanKind::try_from(span.kind) {
            Ok(SpanKind::Client) => "CLIENT",
            Ok(SpanKind::Server) => "SERVER",
            _ => "other",
        };
        Span {
            trace: hex(&span.trace_id),
            name: span.name,
            kind: kind.to_owned(),
            parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
            // Envoy has tags without values.
            tags: tags.filter(|(_, value)| !value.is_empty()).collect(),
        }
    });
    spans.collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// What a request was told of its trace, or says of it itself where no server has received it: the
/// trace, and whether its spans are wanted.
pub fn context(exchange: &Exchange, received: &[Received]) -> Option<(String, bool)> {
    let sent = exchange
        .headers
        .iter()
        .filter_map(|line| line.split_once(':'));
    let sent: Vec<_> = sent
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    in_headers(received.last().map_or(&sent, |last| &last.headers))
}

/// Adds the spans of a request's trace, as soon as there is one that is wanted. That none comes of one
/// whose spans are not wanted is known at the end of the scenario.
pub async fn add(
    outcome: &mut Outcome,
    exchange: &Exchange,
    context: Option<(String, bool)>,
    recorder: &Recorder,
) {
    let spans = match context {
        Some((trace, true)) => {
            let arrive = async {
                loop {
                    let spans = recorder.take_spans(&trace);
                    if !spans.is_empty() {
                        break spans;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(PATIENCE, arrive).await.unwrap_or_default()
        }
        Some((trace, false)) => recorder.take_spans(&trace),
        None => Vec::new(),
    };
    outcome.insert("spans".to_owned(), spans.len().to_string());
    let Some(span) = spans.into_iter().next() else {
        return;
    };
    let mut set = |name: &str, value: String| outcome.insert(format!("span.{name}"), value);
    set("name", span.name);
    set("kind", span.kind);
    if let Some(parent) = span.parent {
        set("parent", masked(&parent, exchange));
    }
    for (name, value) in span.tags {
        let value = if name == UNSTEADY {
            "*".to_owned()
        } else {
            value
        };
        set(&format!("tag.{name}"), value);
    }
}

fn in_headers(headers: &[(String, String)]) -> Option<(String, bool)> {
    let find = |name: &str| {
        let found = headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    };
    if let Some(trace) = find("x-b3-traceid") {
        return Some((trace.to_owned(), find("x-b3-sampled") == Some("1")));
    }
    if let Some(b3) = find("b3") {
        let mut parts = b3.split('-');
        let (trace, _span) = (parts.next()?, parts.next()?);
        let is_wanted = matches!(parts.next(), Some("1" | "d"));
        return Some((trace.to_owned(), is_wanted));
    }
    let parts: Vec<_> = find("traceparent")?.split('-').collect();
    let [_, trace, _, flags] = parts[..] else {
        return None;
    };
    Some((trace.to_owned(), flags == "01"))
}

/// Says which spans have come that no request of the scenario wants. Its last request must be one whose
/// span has come: proxies send spans in their order, so the others would have come before.
pub fn unwanted(case: &Case, who: &str, recorder: &Recorder) -> Result<(), String> {
    let spans = recorder.take_unwanted_spans();
    let has_collector = case.servers.iter().any(|server| server.spans);
    if !has_collector || spans.is_empty() {
        return Ok(());
    }
    Err(format!("{who} sends spans that nobody wants: {spans:#?}"))
}

/// Makes values of contexts steady: numbers that the client has not sent are stars.
pub fn steady(outcome: &mut Outcome, exchange: &Exchange) {
    for name in CONTEXTS {
        if let Some(value) = outcome.get_mut(name) {
            *value = masked(value, exchange);
        }
    }
}

fn masked(text: &str, exchange: &Exchange) -> String {
    let is_number = |part: &str| {
        [16, 32].contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let was_sent = |part: &str| exchange.headers.iter().any(|line| line.contains(part));
    let parts = text
        .split('-')
        .map(|part| match is_number(part) && !was_sent(part) {
            true => "*",
            false => part,
        });
    parts.collect::<Vec<_>>().join("-")
}
