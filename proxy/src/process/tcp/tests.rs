use std::{cell::RefCell, future::poll_fn};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    net::stream::of_tcp,
    pipeline::ClientCertField,
    records::{AccessLogConfig, Records, Workload},
    tables::{
        AddressRange, Addresses, ClusterSettings, ClusterStates, Current, Detection, DownstreamTls,
        EndpointSettings, EndpointSource, Listener, Publisher, ServerName, TcpRefusal, TcpRoute,
        TcpRoutes, TlsChain, TlsChains,
    },
    traffic::Direction,
};

/// A worker, and a server behind the cluster `known`. The cluster `empty` has none, nor has Istio's
/// black hole.
struct Setup {
    metrics: Metrics,
    records: Arc<Records>,
    worker: Worker,
    server: TcpListener,
    publisher: RefCell<Publisher>,
    updates: watch::Receiver<Arc<Snapshot>>,
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

async fn setup_with(addresses: Addresses, connections: u32) -> Setup {
    setup_logging(addresses, connections, None).await
}

async fn setup_logging(
    addresses: Addresses,
    connections: u32,
    log: Option<AccessLogConfig>,
) -> Setup {
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
    let listeners = Arc::make_mut(&mut snapshot.listeners);
    (listeners.outbound, listeners.inbound) = (addresses.clone(), addresses);
    snapshot.clusters = Arc::new(clusters.into_iter().collect());
    let records = Arc::new(Records::new(Workload::default(), log));
    let (publisher, updates) = Publisher::new(snapshot);
    let current = Current::new(&updates);
    let drain = CancellationToken::new();
    Setup {
        worker: Worker::new(current, records.recorder(), drain, false, None),
        metrics: Metrics::new(Arc::clone(&records)),
        records,
        server,
        publisher: RefCell::new(publisher),
        updates,
    }
}

/// A listener that takes mutual TLS, and plaintext where that has these routes.
fn mutual(plaintext: TcpRoutes) -> Listener {
    let chain = TlsChain {
        server_names: Vec::new(),
        protocols: vec!["istio".into()],
        ends: Some(Arc::new(DownstreamTls::new(Vec::new(), Vec::new()))),
        http: None,
        tcp: routes(vec![], "known"),
        policy: Some("shop/strict".into()),
    };
    Listener {
        name: Arc::from("test"),
        detection: Detection::Tls(Duration::from_secs(5)),
        http: None,
        tcp: plaintext,
        tls: Some(TlsChains {
            chains: vec![chain],
            leaves_others: true,
        }),
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

    /// A connection that has come in, whose client has said that.
    async fn come_in(&self, said: &[u8]) -> (TcpStream, Tcp<'_>, (Stream, Input)) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        let mut received = Input::default();
        client.write_all(said).await.unwrap();
        while received.bytes().len() < said.len() {
            let receive = poll_fn(|context| received.poll_receive(&mut stream, context));
            receive.await.unwrap();
        }
        let tcp = Tcp {
            worker: &self.worker,
            metrics: &self.metrics,
            connection: Connection {
                direction: Direction::Inbound,
                peer,
                original: "10.1.0.1:443".parse().unwrap(),
                is_bound: false,
                secured: None,
                client_cert: ClientCertField::default(),
            },
            hello: None,
        };
        (client, tcp, (of_tcp(stream), received))
    }

    /// Has that listener for all connections that come in.
    fn publish(&self, generation: u64, listener: Listener) {
        let mut publisher = self.publisher.borrow_mut();
        let last = publisher.newest();
        let mut snapshot = Snapshot::pass_through(Duration::ZERO);
        snapshot.generation = generation;
        snapshot.clusters = Arc::clone(&last.clusters);
        Arc::make_mut(&mut snapshot.listeners).inbound = Addresses::all(Arc::new(listener));
        publisher.publish(snapshot);
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

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_nothing_is_not_said_to_speak_plaintext() {
    for (said, reason) in [(&b""[..], "silent"), (b"hello", "plaintext")] {
        let strict = Addresses::all(Arc::new(mutual(TcpRoutes::default())));
        let setup = setup_with(strict, u32::MAX).await;
        let (mut client, tcp, (stream, received)) = setup.come_in(said).await;
        tcp.carry(stream, received).await;
        assert!(client.read_u8().await.is_err());
        let reason = format!("reason=\"{reason}\"");
        setup.sees(&["pillion_connections_refused_total", &reason]);
        setup.sees(&[
            "istio_tcp_connections_opened_total",
            "response_flags=\"NR\"",
        ]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_connection_ends_a_while_after_its_port_takes_mutual_tls_alone() {
    let path = std::env::temp_dir().join(format!("pillion-left-{}", std::process::id()));
    let log = format!(
        r#"{{"accessLogFile": {path:?}, "accessLogFormat": "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}"#
    );
    let log = AccessLogConfig::parse(&log).unwrap().0;
    let plain = Addresses::all(Arc::new(mutual(routes(vec![], "known"))));
    let setup = setup_logging(plain, u32::MAX, log).await;
    let (mut client, tcp, (stream, received)) = setup.come_in(b"a").await;
    let change = async {
        let mut server = setup.server.accept().await.unwrap().0;
        assert_eq!(server.read_u8().await.unwrap(), b'a');
        // Others have changed.
        setup.publish(2, mutual(routes(vec![], "known")));
        sleep(Duration::from_secs(100)).await;
        setup.publish(3, mutual(TcpRoutes::default()));
        let began = Instant::now();
        sleep(Duration::from_secs(40)).await;
        client.write_all(b"b").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'b');
        for end in [&mut client, &mut server] {
            let error = end.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert_eq!(began.elapsed().as_secs(), 45);
    };
    let carried = async { tokio::join!(tcp.carry(stream, received), change) };
    tokio::select! {
        _ = carried => {}
        () = setup.worker.tables.clone().follow(setup.updates.clone()) => {}
    }
    setup.records.flush();
    let lines = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(lines, "NR filter_chain_is_being_removed\n");
}

/// The application's own TLS was passed on, and now it would end here.
#[test]
fn tls_is_passed_on_where_no_chain_ends_it() {
    let to = "10.1.0.1:443".parse().unwrap();
    let hello = |protocol: &str| ClientHello {
        server_name: None,
        protocols: vec![protocol.as_bytes().into()],
    };
    let mut listener = mutual(routes(vec![], "known"));
    assert!(!listener.passes_on(to, Some(&hello("istio"))));
    let tls = listener.tls.as_mut().unwrap();
    tls.chains.push(TlsChain {
        protocols: Vec::new(),
        ends: None,
        ..tls.chains[0].clone()
    });
    assert!(listener.passes_on(to, Some(&hello("h2"))));
    assert!(listener.passes_on(to, None));
    listener.tls.as_mut().unwrap().chains[0].protocols.clear();
    assert!(!listener.passes_on(to, Some(&hello("h2"))));
}
