//! What requests are told of traces, and the spans that they leave.

mod answers;
mod chains;
mod open_telemetry;
mod strangers;

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap,
    uri::{Authority, PathAndQuery},
};
use serde_json::Value;

use super::harness::{Proxy, Setup, cluster, with_http};
use crate::tables::{
    Action, ClusterSettings, Collector, CustomTag, CustomValue, Forward, Hosts, HttpListener,
    Propagation, Route, RouteMatch, Sampling, SpanProtocol, Tracing, VirtualHost,
};

const OPERATION: &str = "reviews.default.svc.cluster.local:9080/*";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn tracing(propagation: Propagation) -> Tracing {
    Tracing {
        sampling: Sampling::ALL,
        propagation,
        tells_servers: true,
        has_long_ids: true,
        inside: Box::default(),
        max_path: 256,
        tags: Box::default(),
        collector: Arc::new(Collector {
            cluster: Arc::from("zipkin"),
            protocol: SpanProtocol::Zipkin,
            authority: Authority::from_static("zipkin"),
            path: PathAndQuery::from_static("/api/v2/spans"),
            headers: HeaderMap::new(),
            timeout: Duration::from_secs(5),
            service_name: None,
        }),
    }
}

/// A route for all requests, which has a name for spans.
fn hosts() -> Hosts {
    let forward = Action::Forward(Forward::to("reviews"));
    let mut route = Route::new("test", RouteMatch::any(), forward);
    route.operation = Some(Arc::from(OPERATION));
    let host = VirtualHost {
        routes: vec![Arc::new(route)],
        ..VirtualHost::default()
    };
    let mut hosts = Hosts::default();
    hosts.add("*", Arc::new(host));
    hosts
}

/// A listener that traces.
fn traced(hosts: Hosts, tracing: Tracing) -> HttpListener {
    HttpListener {
        tracing: Some(Arc::new(tracing)),
        ..HttpListener::new(Arc::new(hosts))
    }
}

impl Setup {
    /// A proxy that traces, and whose only route has a name for spans.
    async fn start_tracing(self, tracing: Tracing) -> Proxy {
        self.start_with(|server| {
            let http = traced(hosts(), tracing);
            with_http(http, [cluster(ClusterSettings::new("reviews"), &[server])])
        })
        .await
    }
}

/// Has a server answer a request, and waits until that is recorded. The heads that the server and
/// the client get.
async fn exchange(proxy: &Proxy, text: &str, response: &str) -> (String, String) {
    let (mut client, mut server, head) = proxy.request(text).await;
    server.send(response).await;
    let answer = client.head().await;
    proxy.sees(&["istio_requests_total"]).await;
    (head, answer)
}

/// A field of a head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The spans that have been recorded.
async fn spans(proxy: &Proxy) -> Vec<Value> {
    let spans = proxy.records.spans();
    let outlet = spans.next().await;
    let report = outlet.take_rest().unwrap();
    serde_json::from_slice(&report.body).unwrap()
}

/// Whether there are spans.
fn has_spans(proxy: &Proxy) -> bool {
    use futures::FutureExt as _;
    let spans = proxy.records.spans();
    spans.next().now_or_never().is_some()
}

#[tokio::test(flavor = "local")]
async fn a_trace_begins_with_a_client_s_span() {
    let mut traced = tracing(Propagation::B3);
    traced.tags = Box::new([
        CustomTag {
            name: "istio.mesh_id".into(),
            value: CustomValue::Literal("mesh".into()),
        },
        CustomTag {
            name: "user".into(),
            value: CustomValue::RequestField(b"end-user"[..].into(), "nobody".into()),
        },
        CustomTag {
            name: "http.method".into(),
            value: CustomValue::Literal("mine".into()),
        },
    ]);
    let proxy = Setup::default().start_tracing(traced).await;
    let text =
        "GET /a?b HTTP/1.1\r\nHost: reviews:9080\r\nUser-Agent: me\r\nEnd-User: jason\r\n\r\n";
    let (mut client, mut server, head) = proxy.request(text).await;
    let (trace, span) = (field(&head, "x-b3-traceid"), field(&head, "x-b3-spanid"));
    assert_eq!(field(&head, "x-b3-sampled"), Some("1"));
    assert_eq!(field(&head, "x-b3-parentspanid"), None);
    assert_eq!(field(&head, "x-envoy-decorator-operation"), Some(OPERATION));
    let id = field(&head, "x-request-id").unwrap();
    assert_eq!(&id[14..15], "9", "{id}");
    server.send(OK).await;
    client.until("ok").await;
    proxy.sees(&["istio_requests_total"]).await;
    let spans = spans(&proxy).await;
    let only = &spans[0];
    assert_eq!(spans.len(), 1);
    assert_eq!(
        (only["traceId"].as_str(), only["id"].as_str()),
        (trace, span)
    );
    assert_eq!(
        (&only["kind"], &only["name"]),
        (&"CLIENT".into(), &OPERATION.into())
    );
    assert_eq!(only.get("parentId"), None);
    let tags = &only["tags"];
    for (name, value) in [
        ("component", "proxy"),
        ("downstream_cluster", "-"),
        ("guid:x-request-id", id),
        ("http.method", "mine"),
        ("http.protocol", "HTTP/1.1"),
        ("http.status_code", "200"),
        ("http.url", "http://reviews:9080/a?b"),
        ("istio.mesh_id", "mesh"),
        ("peer.address", "127.0.0.1"),
        ("request_size", "0"),
        ("response_flags", "-"),
        ("response_size", "2"),
        ("upstream_cluster", "reviews"),
        ("upstream_cluster.name", "reviews"),
        ("user", "jason"),
        ("user_agent", "me"),
    ] {
        assert_eq!(tags[name], value, "{name}");
    }
    assert_eq!(tags.get("error"), None);
}

#[tokio::test(flavor = "local")]
async fn a_server_s_span_continues_the_trace_and_has_the_client_s_name_for_it() {
    let proxy = Setup::inbound()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let text = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-B3-TraceId: {TRACE}\r\nX-B3-SpanId: {SPAN}\r\nX-B3-Sampled: 1\r\n\
         X-Envoy-Decorator-Operation: of the client\r\n\r\n"
    );
    let (mut client, mut server, head) = proxy.request(&text).await;
    assert_eq!(field(&head, "x-b3-traceid"), Some(TRACE));
    assert_eq!(field(&head, "x-b3-parentspanid"), Some(SPAN));
    assert_eq!(field(&head, "x-envoy-decorator-operation"), None);
    server.send(OK).await;
    let response = client.head().await;
    assert_eq!(field(&response, "x-envoy-decorator-operation"), None);
    proxy.sees(&["istio_requests_total"]).await;
    let spans = spans(&proxy).await;
    let only = &spans[0];
    assert_eq!(only["traceId"], TRACE);
    assert_eq!(only["parentId"], SPAN);
    assert_eq!(only["id"].as_str(), field(&head, "x-b3-spanid"));
    assert_eq!(only["kind"], "SERVER");
    assert_eq!(only["name"], "of the client");
}

#[tokio::test(flavor = "local")]
async fn what_is_not_wanted_leaves_no_span_and_is_said_to_be_so() {
    let mut traced = tracing(Propagation::B3);
    traced.sampling.random = 0;
    let proxy = Setup::default().start_tracing(traced).await;
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut client, mut server, head) = proxy.request(text).await;
    assert_eq!(field(&head, "x-b3-sampled"), Some("0"));
    assert!(field(&head, "x-b3-traceid").is_some());
    assert_eq!(&field(&head, "x-request-id").unwrap()[14..15], "4");
    server.send(OK).await;
    client.until("ok").await;
    proxy.sees(&["istio_requests_total"]).await;
    assert!(!has_spans(&proxy));
}

#[tokio::test(flavor = "local")]
async fn what_a_context_says_comes_before_the_share() {
    for (said, is_wanted) in [("0", false), ("1", true)] {
        let mut traced = tracing(Propagation::B3);
        traced.sampling.random = if is_wanted { 0 } else { 10_000 };
        let proxy = Setup::default().start_tracing(traced).await;
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\nb3: {TRACE}-{SPAN}-{said}\r\n\r\n");
        let (mut client, mut server, head) = proxy.request(&text).await;
        let single = field(&head, "b3").unwrap();
        assert!(single.starts_with(TRACE), "{single}");
        assert!(single.ends_with(&format!("-{said}-{SPAN}")), "{single}");
        assert_eq!(field(&head, "x-b3-sampled"), None);
        server.send(OK).await;
        client.until("ok").await;
        proxy.sees(&["istio_requests_total"]).await;
        assert_eq!(has_spans(&proxy), is_wanted);
    }
}

#[tokio::test(flavor = "local")]
async fn w3c_is_continued_with_its_state() {
    let proxy = Setup::default()
        .start_tracing(tracing(Propagation::W3c))
        .await;
    let text = format!(
        "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=1\r\ntracestate: b=2\r\n\r\n"
    );
    let (_, _, head) = proxy.request(&text).await;
    let parent = field(&head, "traceparent").unwrap();
    assert!(parent.starts_with(&format!("00-{TRACE}-")), "{parent}");
    assert!(
        parent.ends_with("-01") && !parent.contains(SPAN),
        "{parent}"
    );
    assert_eq!(field(&head, "tracestate"), Some("a=1,b=2"));
    assert_eq!(field(&head, "x-b3-traceid"), None);
}

#[tokio::test(flavor = "local")]
async fn servers_are_told_nothing_where_that_is_wanted() {
    let mut traced = tracing(Propagation::B3AndW3c);
    traced.tells_servers = false;
    let proxy = Setup::default().start_tracing(traced).await;
    let (head, _) = exchange(&proxy, GET, OK).await;
    for name in ["x-b3-traceid", "x-b3-sampled", "traceparent"] {
        assert_eq!(field(&head, name), None);
    }
    assert_eq!(spans(&proxy).await.len(), 1);
}
