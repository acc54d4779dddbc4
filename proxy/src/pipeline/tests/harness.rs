//! A proxy between a client and servers that the tests play by hand.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::spawn_local,
};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::Http2,
    net::{input::Input, stream::of_tcp},
    pipeline::{ClientCertField, Connection, Edge, Worker, serve_http1, serve_http2},
    records::{Records, Workload},
    tables::{
        Addresses, Cluster, ClusterSettings, ClusterStates, Current, Detection, EndpointSettings,
        EndpointSource, Hosts, HttpListener, Listener, Publisher, Route, Snapshot, Source,
        TcpRoutes, UpstreamProtocol, VirtualHost,
    },
    traffic::{Direction, Traffic},
};

/// A proxy, and the server behind it.
pub struct Proxy {
    pub server: TcpListener,
    pub address: SocketAddr,
    pub records: Arc<Records>,
    pub drain: CancellationToken,
    pub http2: Http2,
    /// For newer tables.
    pub tables: Rc<RefCell<Publisher>>,
}

/// Where clients were going.
const ORIGINAL: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
    9080,
);

/// How the proxy under test is set up.
pub struct Setup {
    pub direction: Direction,
    pub upstream: UpstreamProtocol,
    pub client_speaks_http2: bool,
    /// Places for connections.
    pub places: usize,
    /// For a gateway.
    pub edge: Option<Edge>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            direction: Direction::Outbound,
            upstream: UpstreamProtocol::Downstream,
            client_speaks_http2: false,
            places: 1000,
            edge: None,
        }
    }
}

impl Setup {
    /// For clients of HTTP/2.
    pub fn http2() -> Self {
        Self {
            client_speaks_http2: true,
            ..Self::default()
        }
    }

    /// From clients of HTTP/2 to a server of HTTP/1.
    pub fn http2_to_http1() -> Self {
        Self {
            upstream: UpstreamProtocol::Http1,
            ..Self::http2()
        }
    }

    /// In front of an application.
    pub fn inbound() -> Self {
        Self {
            direction: Direction::Inbound,
            ..Self::default()
        }
    }

    /// At an edge of the mesh.
    pub fn gateway() -> Self {
        Self {
            edge: Some(Edge::default()),
            ..Self::default()
        }
    }

    /// Starts the proxy on the test's own thread.
    pub async fn start(self) -> Proxy {
        let (protocol, direction) = (self.upstream, self.direction);
        self.start_with(|server| {
            let mut settings = ClusterSettings::new("test");
            settings.protocol = protocol;
            if direction == Direction::Inbound {
                settings.source = Source::Inbound;
            }
            Snapshot::forwarding_all_to(cluster(settings, &[server]))
        })
        .await
    }

    /// The same with other tables, for the server's address.
    pub async fn start_with(self, tables: impl FnOnce(SocketAddr) -> Snapshot) -> Proxy {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let records = Arc::new(Records::new(Workload::default(), None));
        let drain = CancellationToken::new();
        let mut tables = tables(server.local_addr().unwrap());
        let is_bound = self.edge.is_some();
        if is_bound {
            let listeners = Arc::make_mut(&mut tables.listeners);
            let listener = listeners.outbound.default.take();
            let bound = listener.map(|listener| (ORIGINAL.port(), listener));
            listeners.bound = bound.into_iter().collect();
        }
        let (publisher, updates) = Publisher::new(tables);
        let current = Current::new(&updates);
        spawn_local(current.clone().follow(updates));
        let recorder = records.recorder();
        let worker = Worker::new(current, recorder, drain.clone(), false, self.edge);
        let http2 = worker.http2_setup.metrics.clone();
        let worker = Rc::new(worker);
        let traffic = Arc::new(Traffic::new(self.places));
        spawn_local(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let connection = Connection {
                    direction: self.direction,
                    peer,
                    original: ORIGINAL,
                    is_bound,
                    secured: None,
                    client_cert: ClientCertField::default(),
                };
                let worker = Rc::clone(&worker);
                let stream = of_tcp(stream);
                let (open, _evicted) = traffic.enter(peer.ip()).unwrap();
                spawn_local(async move {
                    let input = Input::default();
                    if self.client_speaks_http2 {
                        let served = serve_http2(&worker, &connection, &open, stream, input);
                        let _end = served.await;
                    } else {
                        serve_http1(&worker, &connection, stream, input).await;
                    }
                });
            }
        });
        Proxy {
            server,
            address,
            records,
            drain,
            http2,
            tables: Rc::new(RefCell::new(publisher)),
        }
    }
}

/// A cluster with these endpoints.
pub fn cluster(settings: ClusterSettings, endpoints: &[SocketAddr]) -> Arc<Cluster> {
    let endpoints = endpoints
        .iter()
        .map(|address| EndpointSettings::new(*address));
    let source = EndpointSource::List(endpoints.collect());
    ClusterStates::default().build(settings, source)
}

/// Tables with those routes for all hosts.
pub fn routing(
    routes: impl IntoIterator<Item = Route>,
    clusters: impl IntoIterator<Item = Arc<Cluster>>,
) -> Snapshot {
    let mut hosts = Hosts::default();
    let host = VirtualHost {
        routes: routes.into_iter().map(Arc::new).collect(),
        tells_attempt: true,
        is_stand_in: false,
    };
    hosts.add("*", Arc::new(host));
    with_hosts(hosts, clusters)
}

/// Tables with those hosts.
pub fn with_hosts(hosts: Hosts, clusters: impl IntoIterator<Item = Arc<Cluster>>) -> Snapshot {
    with_http(HttpListener::new(Arc::new(hosts)), clusters)
}

/// Tables with that for all connections.
pub fn with_http(http: HttpListener, clusters: impl IntoIterator<Item = Arc<Cluster>>) -> Snapshot {
    let mut snapshot = Snapshot::pass_through(Duration::ZERO);
    let listener = Listener {
        name: Arc::from("test"),
        detection: Detection::Http,
        http: Some(http),
        tcp: TcpRoutes::default(),
        tls: None,
    };
    let listener = Arc::new(listener);
    let listeners = Arc::make_mut(&mut snapshot.listeners);
    listeners.outbound = Addresses::all(Arc::clone(&listener));
    listeners.inbound = Addresses::all(listener);
    snapshot.clusters = Arc::new(clusters.into_iter().collect());
    snapshot
}

impl Proxy {
    /// A client of the proxy.
    pub async fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// The next connection that the proxy makes to the server.
    pub async fn accept(&self) -> Peer {
        Peer::accept(&self.server).await
    }

    /// Sends the beginning of a request by a new client. Returns both ends, and the head that
    /// the server gets.
    pub async fn request(&self, text: &str) -> (Peer, Peer, String) {
        let mut client = self.connect().await;
        client.send(text).await;
        let mut server = self.accept().await;
        let head = server.head().await;
        (client, server, head)
    }

    /// Waits until that is in the metrics, in one line.
    pub async fn sees(&self, parts: &[&str]) {
        for _ in 0..500 {
            let mut text = String::new();
            self.records.encode(&mut text);
            let line = |line: &str| parts.iter().all(|part| line.contains(part));
            if text.lines().any(line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut text = String::new();
        self.records.encode(&mut text);
        panic!("{parts:?} is not in\n{text}");
    }
}

/// One end of a connection, which speaks raw bytes.
pub struct Peer {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// The next connection to a server.
    pub async fn accept(server: &TcpListener) -> Self {
        Self::new(server.accept().await.unwrap().0)
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Receives up to and with that text, and returns it.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self
                .received
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.received.split_off(at + end.len());
                let text = std::mem::replace(&mut self.received, rest);
                return String::from_utf8(text).unwrap();
            }
            let mut piece = vec![0; 16 * 1024];
            let received = self.stream.read(&mut piece).await.unwrap();
            assert!(
                received > 0,
                "ended before {end:?}: {}",
                String::from_utf8_lossy(&self.received)
            );
            self.received.extend_from_slice(&piece[..received]);
        }
    }

    /// Receives a head.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Receives so many bytes of a body.
    pub async fn body(&mut self, len: usize) -> String {
        while self.received.len() < len {
            let mut piece = vec![0; len - self.received.len()];
            let received = self.stream.read(&mut piece).await.unwrap();
            assert!(received > 0, "the body ended early");
            self.received.extend_from_slice(&piece[..received]);
        }
        let rest = self.received.split_off(len);
        String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap()
    }

    /// Receives everything up to the end of the connection. An error is a reset.
    pub async fn end(&mut self) -> std::io::Result<String> {
        self.stream.read_to_end(&mut self.received).await?;
        Ok(String::from_utf8(std::mem::take(&mut self.received)).unwrap())
    }
}
