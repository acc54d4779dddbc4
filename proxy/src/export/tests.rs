//! Spans on their way to collectors that run.

mod endpoints;
mod mutual;
mod refused;
mod server;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::HeaderValue;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use self::server::{Server, Taken};
use super::Exporter;
use crate::{
    records::{
        Recorder, Records, Span, Workload,
        trace_test_util::{collector, span},
    },
    tables::{
        Balancer, ClusterSettings, ClusterStates, Clusters, Collector, EndpointSettings,
        EndpointSource, Publisher, Snapshot, SpanProtocol, UpstreamTls,
    },
    transport::ClientTransport,
};

/// A worker that records, and its exporter.
struct Sender {
    records: Records,
    worker: Recorder,
    exporter: Exporter,
    publisher: Publisher,
    collector: Arc<Collector>,
}

/// Of a proxy that has no certificate.
fn without_identity() -> ClientTransport {
    ClientTransport::new(&Arc::default(), &watch::channel(None).1)
}

/// Tables whose cluster `collector` has these endpoints.
fn tables(generation: u64, endpoints: &[SocketAddr]) -> Snapshot {
    let endpoints = endpoints.iter().copied().map(EndpointSettings::new);
    tables_of(generation, endpoints.collect())
}

/// The same with endpoints that have their turns by weight.
fn tables_of(generation: u64, endpoints: Vec<EndpointSettings>) -> Snapshot {
    tables_with(generation, endpoints, None)
}

/// The same with TLS for those that have it.
fn tables_with(
    generation: u64,
    endpoints: Vec<EndpointSettings>,
    tls: Option<Arc<UpstreamTls>>,
) -> Snapshot {
    let source = EndpointSource::List(endpoints);
    let mut settings = ClusterSettings::new("collector");
    settings.balancer = Balancer::RoundRobin;
    settings.connect_timeout = Duration::from_secs(60);
    settings.tls = tls;
    let cluster = ClusterStates::default().build(settings, source);
    let clusters = Arc::new(Clusters::from_iter([cluster]));
    Snapshot::new(generation, Arc::default(), clusters, Arc::from("test"))
}

impl Sender {
    fn start(collector: Collector, first: Snapshot) -> Self {
        Self::start_as(collector, first, without_identity())
    }

    fn start_as(collector: Collector, first: Snapshot, transport: ClientTransport) -> Self {
        let workload = Workload {
            app: "reviews".into(),
            namespace: "shop".into(),
            address: "10.0.0.9".parse().ok(),
            ..Workload::default()
        };
        let records = Records::new(workload, None);
        let (publisher, updates) = Publisher::new(first);
        Self {
            worker: records.recorder(),
            exporter: Exporter::start(records.spans(), updates, transport),
            records,
            publisher,
            collector: Arc::new(collector),
        }
    }

    fn to(protocol: SpanProtocol, server: SocketAddr) -> Self {
        Self::start(collector(protocol), tables(1, &[server]))
    }

    fn record(&self, name: &str) {
        self.worker.span(&self.collector, &Span { name, ..span() });
    }

    /// The value of a metric, for both kinds of collectors together.
    fn counted(&self, name: &str) -> u64 {
        let mut text = String::new();
        self.records.encode(&mut text);
        let name = format!("pillion_tracing_{name}_total{{");
        let lines = text.lines().filter(|line| line.starts_with(&name));
        lines
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum()
    }

    async fn until(&self, name: &str, count: u64) {
        let counted = async {
            while self.counted(name) < count {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let counted = timeout(Duration::from_secs(60), counted).await;
        assert!(counted.is_ok(), "{name}: {}", self.counted(name));
    }
}

fn names(taken: &[Taken]) -> Vec<&str> {
    let spans = taken.iter().flat_map(|taken| &taken.spans);
    spans.map(String::as_str).collect()
}

#[tokio::test]
async fn all_kinds_of_collectors_get_what_was_recorded() {
    for (protocol, path, content_type) in [
        (SpanProtocol::Zipkin, "/api/v2/spans", "application/json"),
        (
            SpanProtocol::OtlpHttp,
            "/v1/traces",
            "application/x-protobuf",
        ),
        (
            SpanProtocol::OtlpGrpc,
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "application/grpc",
        ),
    ] {
        let server = Server::start(protocol).await;
        let sender = Sender::to(protocol, server.address);
        sender.record("a");
        sender.record("b");
        sender.until("spans_sent", 2).await;
        let taken = server.taken();
        assert_eq!(names(&taken), ["a", "b"], "{protocol:?}");
        for taken in &taken {
            assert_eq!(taken.service, "reviews.shop");
            assert_eq!(taken.path, path);
            assert_eq!(taken.authority.as_deref(), Some("collector.test"));
            assert_eq!(taken.headers["content-type"], content_type);
        }
        assert_eq!(sender.counted("spans_dropped"), 0);
    }
}

#[tokio::test]
async fn the_collector_s_own_proxy_is_told_not_to_trace() {
    let server = Server::start(SpanProtocol::Zipkin).await;
    let sender = Sender::to(SpanProtocol::Zipkin, server.address);
    sender.record("a");
    sender.until("spans_sent", 1).await;
    let headers = &server.taken()[0].headers;
    assert_eq!(headers["x-b3-sampled"], "0");
    assert!(headers["traceparent"].as_bytes().ends_with(b"-00"));
}

#[tokio::test]
async fn fields_of_the_configuration_are_sent() {
    let server = Server::start(SpanProtocol::OtlpHttp).await;
    let mut with = collector(SpanProtocol::OtlpHttp);
    with.headers
        .insert("authorization", HeaderValue::from_static("Bearer x"));
    with.headers
        .insert("user-agent", HeaderValue::from_static("theirs"));
    with.service_name = Some(Arc::from("mine"));
    let sender = Sender::start(with, tables(1, &[server.address]));
    sender.record("a");
    sender.until("spans_sent", 1).await;
    let taken = server.taken().remove(0);
    assert_eq!(taken.service, "mine");
    assert_eq!(taken.headers["authorization"], "Bearer x");
    assert_eq!(taken.headers.get_all("user-agent").iter().count(), 1);
    assert_eq!(taken.headers["user-agent"], "theirs");
}

#[tokio::test]
async fn what_is_left_is_sent_at_the_end() {
    let server = Server::start(SpanProtocol::Zipkin).await;
    let sender = Sender::to(SpanProtocol::Zipkin, server.address);
    for _ in 0..1000 {
        sender.record("last");
    }
    sender.exporter.finish().await;
    assert_eq!(names(&server.taken()), ["last"; 1000]);
}

#[tokio::test]
async fn reports_go_by_one_connection_until_it_is_closed() {
    for protocol in [SpanProtocol::Zipkin, SpanProtocol::OtlpGrpc] {
        let server = Server::start(protocol).await;
        let sender = Sender::to(protocol, server.address);
        sender.record("first");
        sender.until("spans_sent", 1).await;
        sender.record("second");
        sender.until("spans_sent", 2).await;
        assert_eq!(server.connections(), 1, "{protocol:?}");
        server.close_connections();
        sender.record("third");
        sender.until("spans_sent", 3).await;
        assert_eq!(server.connections(), 2, "{protocol:?}");
        assert_eq!(sender.counted("reports_failed"), 0, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_while_it_was_idle_is_no_failure() {
    let server = Server::start(SpanProtocol::Zipkin).await;
    let sender = Sender::to(SpanProtocol::Zipkin, server.address);
    sender.record("first");
    sender.until("spans_sent", 1).await;
    server.break_next();
    sender.record("second");
    sender.until("spans_sent", 2).await;
    assert_eq!(names(&server.taken()), ["first", "second"]);
    assert_eq!(server.connections(), 2);
    assert_eq!(sender.counted("reports_failed"), 0);
}

#[tokio::test(start_paused = true)]
async fn spans_that_are_few_do_not_wait_for_many() {
    let server = Server::start(SpanProtocol::Zipkin).await;
    // Longer than any span should wait.
    server.take_so_long(Duration::from_secs(2));
    let sender = Sender::to(SpanProtocol::Zipkin, server.address);
    let long = "x".repeat(1000);
    for _ in 0..500 {
        sender.record(&long);
    }
    let other = sender.records.recorder();
    let name = "of another worker";
    other.span(&sender.collector, &Span { name, ..span() });
    sender.until("reports_sent", 2).await;
    let second = names(&server.taken()[1..2]).join(" ");
    assert!(second.contains(name), "{second}");
}

#[tokio::test]
async fn a_collector_that_never_answers_costs_drops_alone() {
    let server = Server::start(SpanProtocol::Zipkin).await;
    server.hang();
    let sender = Sender::to(SpanProtocol::Zipkin, server.address);
    let long = "x".repeat(1000);
    // More than may wait, and than may be on its way.
    for _ in 0..4000 {
        sender.record(&long);
    }
    sender.until("spans_dropped", 1).await;
    assert_eq!(sender.counted("spans_sent"), 0);
    sender.exporter.finish().await;
}
