//! What requests are told of traces, and the spans that they leave.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap,
    uri::{Authority, PathAndQuery},
};
use serde_json::Value;

use super::harness::{Proxy, Setup, cluster, with_http};
use crate::tables::{
    Action, AddressRange, ClusterSettings, Collector, CustomTag, CustomValue, Forward, Hosts,
    HttpListener, Propagation, Route, RouteMatch, Sampling, SpanProtocol, Tracing, VirtualHost,
};

const OPERATION: &str = "reviews.default.svc.cluster.local:9080/*";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
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

impl Setup {
    /// A proxy that traces, and whose only route has a name for spans.
    async fn start_tracing(self, tracing: Tracing) -> Proxy {
        self.start_with(|server| {
            let forward = Action::Forward(Forward::to("reviews"));
            let mut route = Route::new("test", RouteMatch::any(), forward);
            route.operation = Some(Arc::from(OPERATION));
            let mut hosts = Hosts::default();
            let host = VirtualHost {
                routes: vec![Arc::new(route)],
                ..VirtualHost::default()
            };
            hosts.add("*", Arc::new(host));
            let http = HttpListener {
                hosts: Arc::new(hosts),
                tracing: Some(Arc::new(tracing)),
            };
            with_http(http, [cluster(ClusterSettings::new("reviews"), &[server])])
        })
        .await
    }
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
async fn a_server_says_what_it_calls_a_request_and_a_client_takes_that() {
    let inbound = Setup::inbound()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut client, mut server, _) = inbound.request(text).await;
    server.send(OK).await;
    let response = client.head().await;
    assert_eq!(
        field(&response, "x-envoy-decorator-operation"),
        Some(OPERATION)
    );
    let outbound = Setup::default()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let (mut client, mut server, _) = outbound.request(text).await;
    server
        .send("HTTP/1.1 204 No Content\r\nX-Envoy-Decorator-Operation: of the server\r\n\r\n")
        .await;
    let response = client.head().await;
    assert_eq!(field(&response, "x-envoy-decorator-operation"), None);
    outbound.sees(&["istio_requests_total"]).await;
    assert_eq!(spans(&outbound).await[0]["name"], "of the server");
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
async fn the_proxy_s_own_answers_leave_spans_that_are_errors() {
    let proxy = Setup::default()
        .start_with(|_| {
            let http = HttpListener {
                hosts: Arc::new(Hosts::default()),
                tracing: Some(Arc::new(tracing(Propagation::B3))),
            };
            with_http(http, [])
        })
        .await;
    let mut client = proxy.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: nowhere\r\nConnection: close\r\n\r\n")
        .await;
    client.end().await.unwrap();
    let only = &spans(&proxy).await[0];
    assert_eq!(only["name"], "nowhere");
    assert_eq!(only["tags"]["http.status_code"], "404");
    assert_eq!(only["tags"]["response_flags"], "NR");
    assert_eq!(only["tags"].get("error"), None);
    assert_eq!(only["tags"].get("upstream_cluster"), None);
}

#[tokio::test(flavor = "local")]
async fn a_server_that_breaks_off_leaves_an_error() {
    let proxy = Setup::default()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let (mut client, server, _) = proxy.request(text).await;
    drop(server);
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    proxy.sees(&["istio_requests_total"]).await;
    let only = &spans(&proxy).await[0];
    assert_eq!(only["tags"]["error"], "true");
    assert_eq!(only["tags"]["http.status_code"], "503");
    assert_eq!(only["tags"]["response_flags"], "UC");
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
    let (_, _, head) = proxy.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for name in ["x-b3-traceid", "x-b3-sampled", "traceparent"] {
        assert_eq!(field(&head, name), None);
    }
}

#[tokio::test(flavor = "local")]
async fn a_service_inside_can_have_a_request_traced() {
    for (address, is_forced) in [("10.0.0.1", true), ("8.8.8.8", false)] {
        let mut traced = tracing(Propagation::B3);
        traced.sampling.random = 0;
        let range = AddressRange::new([10, 0, 0, 0].into(), 8);
        traced.inside = Box::new([range.unwrap()]);
        let proxy = Setup::default().start_tracing(traced).await;
        let text = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\nX-Envoy-Force-Trace: true\r\n\r\n"
        );
        let (mut client, mut server, head) = proxy.request(&text).await;
        let id = field(&head, "x-request-id").unwrap();
        assert_eq!(&id[14..15] == "a", is_forced, "{id}");
        assert_eq!(field(&head, "x-envoy-force-trace").is_some(), is_forced);
        server.send(OK).await;
        let response = client.head().await;
        let told = is_forced.then_some(id);
        assert_eq!(field(&response, "x-request-id"), told);
    }
}

#[tokio::test(flavor = "local")]
async fn strangers_can_not_have_a_request_traced_at_a_gateway() {
    let mut traced = tracing(Propagation::B3);
    traced.sampling.random = 0;
    let proxy = Setup::gateway().start_tracing(traced).await;
    let text = "GET / HTTP/1.1\r\nHost: a\r\nX-Envoy-Force-Trace: true\r\n\
                X-Request-Id: 00000000-0000-9000-8000-000000000000\r\n\r\n";
    let (_, _, head) = proxy.request(text).await;
    assert_eq!(field(&head, "x-b3-sampled"), Some("0"));
    assert_eq!(field(&head, "x-envoy-force-trace"), None);
}

#[tokio::test(flavor = "local")]
async fn a_call_of_grpc_that_fails_says_why_in_its_span() {
    let proxy = Setup::default()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let text = "POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n\
                gRPC-Timeout: 1S\r\nContent-Length: 0\r\n\r\n";
    let (mut client, mut server, _) = proxy.request(text).await;
    server
        .send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTrailer: grpc-status\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 13\r\ngrpc-message: oh\r\n\r\n",
        )
        .await;
    client.until("grpc-message: oh\r\n\r\n").await;
    proxy.sees(&["istio_requests_total"]).await;
    let tags = &spans(&proxy).await[0]["tags"];
    for (name, value) in [
        ("error", "true"),
        ("grpc.authority", "a"),
        ("grpc.content_type", "application/grpc"),
        ("grpc.message", "oh"),
        ("grpc.path", "/a.B/C"),
        ("grpc.status_code", "13"),
        ("grpc.timeout", "1S"),
        ("http.status_code", "200"),
    ] {
        assert_eq!(tags[name], value, "{name}");
    }
}
