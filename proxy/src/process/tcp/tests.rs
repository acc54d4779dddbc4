use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    records::{Records, Workload},
    tables::{
        AddressRange, Addresses, ClusterSettings, ClusterStates, Current, Detection,
        EndpointSettings, EndpointSource, Listener, Publisher, ServerName, TcpRoute, TcpRoutes,
    },
    traffic::Direction,
};

/// A listener's routes, and a server behind the cluster `known`.
struct Setup {
    records: Arc<Records>,
    worker: Worker,
    server: TcpListener,
}

async fn setup(tcp: TcpRoutes, connections: u32) -> Setup {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = ClusterSettings::new("known");
    settings.limits.connections = connections;
    let endpoint = EndpointSettings::new(server.local_addr().unwrap());
    let source = EndpointSource::List(vec![endpoint]);
    let known = ClusterStates::default().build(settings, source);
    let mut snapshot = Snapshot::forwarding_all_to(known);
    Arc::make_mut(&mut snapshot.listeners).outbound = Addresses::all(Arc::new(Listener {
        name: Arc::from("test"),
        detection: Detection::Tcp,
        http: None,
        tcp,
    }));
    let records = Arc::new(Records::new(Workload::default(), None));
    let current = Current::new(&Publisher::new(snapshot).1);
    let drain = CancellationToken::new();
    Setup {
        worker: Worker::new(current, records.recorder(), drain, false, None),
        records,
        server,
    }
}

impl Setup {
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
        };
        let tcp = Tcp {
            worker: &self.worker,
            connection,
            server_name: server_name.map(Arc::from),
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
        let carry = tcp.carry(stream, Input::default());
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
        let mut text = String::new();
        self.records.encode(&mut text);
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
    assert!(setup.carry("10.1.0.1:443", None).await.is_err());
    setup.sees(&["response_flags=\"UO\""]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_route_is_reset() {
    let setup = setup(TcpRoutes::default(), u32::MAX).await;
    assert!(setup.carry("10.1.0.1:443", None).await.is_err());
    setup.sees(&["response_flags=\"NR\""]);
}
