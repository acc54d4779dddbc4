use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    net::stream::of_tcp,
    pipeline::ClientCertField,
    records::{Records, Workload},
    tables::{
        AddressRange, Addresses, ClusterSettings, ClusterStates, Current, Detection,
        EndpointSettings, EndpointSource, Listener, Publisher, ServerName, TcpRefusal, TcpRoute,
        TcpRoutes,
    },
    traffic::Direction,
};

/// A worker, and a server behind the cluster `known`. The cluster `empty` has none, nor has Istio's
/// black hole.
struct Setup {
    metrics: Metrics,
    worker: Worker,
    server: TcpListener,
}

/// With a listener for all connections that has these routes.
async fn setup(tcp: TcpRoutes, connections: u32) -> Setup {
    let listener = Listener {
        name: Arc::from("test"),
        detection: Detection::Tcp,
        http: None,
        tcp,
        tls: None,
    };
    setup_with(Addresses::all(Arc::new(listener)), connections).await
}

async fn setup_with(outbound: Addresses, connections: u32) -> Setup {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = ClusterSettings::new("known");
    settings.limits.connections = connections;
    let endpoint = EndpointSettings::new(server.local_addr().unwrap());
    let source = EndpointSource::List(vec![endpoint]);
    let mut states = ClusterStates::default();
    let mut clusters = vec![states.build(settings, source)];
    for name in ["empty", BLACK_HOLE] {
        let source = EndpointSource::List(Vec::new());
        clusters.push(states.build(ClusterSettings::new(name), source));
    }
    let mut snapshot = Snapshot::pass_through(Duration::ZERO);
    Arc::make_mut(&mut snapshot.listeners).outbound = outbound;
    snapshot.clusters = Arc::new(clusters.into_iter().collect());
    let records = Arc::new(Records::new(Workload::default(), None));
    let current = Current::new(&Publisher::new(snapshot).1);
    let drain = CancellationToken::new();
    Setup {
        worker: Worker::new(current, records.recorder(), drain, false, None),
        metrics: Metrics::new(records),
        server,
    }
}

impl Setup {
    /// Has a connection refused with that flag, for that reason.
    async fn refuses(&self, flag: &str, reason: &str) {
        assert!(self.carry("10.1.0.1:443", None).await.is_err());
        let flag = format!("response_flags=\"{flag}\"");
        self.sees(&["istio_tcp_connections_opened_total", &flag]);
        let reason = format!("reason=\"{reason}\"");
        self.sees(&["pillion_connections_refused_total", &reason]);
    }

    /// Carries a connection to that address, and says what the client gets.
    async fn carry(&self, original: &str, server_name: Option<&str>) -> std::io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let connection = Connection {
            direction: Direction::Outbound,
            peer,
            original: original.parse().unwrap(),
            is_bound: false,
            secured: None,
            client_cert: ClientCertField::default(),
        };
        let tcp = Tcp {
            worker: &self.worker,
            metrics: &self.metrics,
            connection,
            hello: server_name.map(|name| ClientHello {
                server_name: Some(Arc::from(name)),
                ..ClientHello::default()
            }),
        };
        let serve = async {
            let mut server = self.server.accept().await.unwrap().0;
            server.write_all(b"hello").await.unwrap();
        };
        let read = async {
            let mut text = String::new();
            let read = client.read_to_string(&mut text).await;
            drop(client);
            read.map(|_| text)
        };
        let carry = tcp.carry(of_tcp(stream), Input::default());
        let (text, ()) = tokio::join!(read, async {
            tokio::select! {
                () = async { tokio::join!(carry, serve); } => {}
                // Nobody may come.
                () = tokio::time::sleep(Duration::from_secs(30)) => {}
            }
        });
        text
    }

    fn sees(&self, parts: &[&str]) {
        let text = self.metrics.encode();
        let line = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(text.lines().any(line), "{parts:?} is not in\n{text}");
    }
}

fn routes(routes: Vec<TcpRoute>, default: &str) -> TcpRoutes {
    TcpRoutes {
        routes,
        default: Some(TcpRoute::to(default)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_where_its_address_says() {
    let mut narrow = TcpRoute::to("known");
    narrow.destinations = vec![AddressRange::new([10, 1, 0, 0].into(), 16).unwrap()];
    let setup = setup(routes(vec![narrow], "unknown"), u32::MAX).await;
    assert_eq!(setup.carry("10.1.0.1:443", None).await.unwrap(), "hello");
    setup.sees(&["istio_tcp_connections_opened_total", "response_flags=\"-\""]);
    assert!(setup.carry("10.2.0.1:443", None).await.is_err());
    setup.sees(&[
        "istio_tcp_connections_opened_total",
        "response_flags=\"NC\"",
    ]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_where_its_server_name_says() {
    let mut named = TcpRoute::to("known");
    named.server_names = vec![ServerName::new("*.example.com")];
    let setup = setup(routes(vec![named], "unknown"), u32::MAX).await;
    let name = Some("www.example.com");
    assert_eq!(setup.carry("10.1.0.1:443", name).await.unwrap(), "hello");
    assert!(setup.carry("10.1.0.1:443", None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_too_many_is_reset() {
    let setup = setup(routes(vec![], "known"), 0).await;
    setup.refuses("UO", "overflow").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_route_is_reset() {
    let setup = setup(TcpRoutes::default(), u32::MAX).await;
    setup.refuses("NR", "filter_chain_not_found").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_tables_refuse_is_reset_for_their_reason() {
    for (why, reason) in [
        (TcpRefusal::NotConfigured, "not_configured"),
        (TcpRefusal::Unusable, "configuration_refused"),
    ] {
        let setup = setup(TcpRoutes::refusing(why), u32::MAX).await;
        setup.refuses("NR", reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_server_is_reset_for_what_is_missing() {
    for (cluster, flag, reason) in [
        ("unknown", "NC", "cluster_not_found"),
        ("empty", "UH", "no_healthy_upstream"),
        ("BlackHoleCluster", "UH", "blocked"),
    ] {
        let setup = setup(routes(vec![], cluster), u32::MAX).await;
        setup.refuses(flag, reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_listener_is_reset() {
    let setup = setup_with(Addresses::default(), u32::MAX).await;
    setup.refuses("NR", "listener_not_found").await;
}
