//! Spans for OpenTelemetry.

use pillion_envoy_api::opentelemetry::proto::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value as TagValue,
    trace::v1::{Span, status::StatusCode},
};
use prost::Message as _;

use super::*;

/// A proxy whose collector takes OpenTelemetry's spans.
fn open_telemetry() -> Tracing {
    let mut traced = tracing(Propagation::W3c);
    Arc::make_mut(&mut traced.collector).protocol = SpanProtocol::OtlpHttp;
    traced
}

/// The only span that has been recorded.
async fn only_span(proxy: &Proxy) -> Span {
    let spans = proxy.records.spans();
    let report = spans.next().await.take_rest().unwrap();
    let mut request = ExportTraceServiceRequest::decode(report.body).unwrap();
    let mut spans = request.resource_spans.remove(0).scope_spans.remove(0).spans;
    assert_eq!(spans.len(), 1);
    spans.remove(0)
}

#[tokio::test(flavor = "local")]
async fn a_span_has_the_state_that_servers_are_told() {
    for (tells_servers, expected) in [(true, "a=1,b=2"), (false, "")] {
        let mut traced = open_telemetry();
        traced.tells_servers = tells_servers;
        let proxy = Setup::default().start_tracing(traced).await;
        let text = format!(
            "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=1\r\ntracestate: b=2\r\n\r\n"
        );
        exchange(&proxy, &text, OK).await;
        let span = only_span(&proxy).await;
        assert_eq!(span.trace_state, expected);
        assert!(!span.parent_span_id.is_empty());
    }
}

#[tokio::test(flavor = "local")]
async fn a_tag_of_the_configuration_has_the_place_of_the_error() {
    let mine = CustomTag {
        name: "error".into(),
        value: CustomValue::Literal("mine".into()),
    };
    for (tags, expected) in [(vec![], "true"), (vec![mine], "mine")] {
        let mut traced = open_telemetry();
        traced.tags = tags.into();
        let proxy = Setup::default().start_tracing(traced).await;
        let response = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        exchange(&proxy, GET, response).await;
        let span = only_span(&proxy).await;
        let attributes = span.attributes.iter();
        let errors = attributes.filter(|attribute| attribute.key == "error");
        let values: Vec<_> = errors
            .filter_map(|attribute| attribute.value.as_ref()?.value.clone())
            .collect();
        assert_eq!(values, [TagValue::StringValue(expected.to_owned())]);
        let status = span.status.map(|status| status.code());
        assert_eq!(status, Some(StatusCode::Error));
    }
}
