//! A proxy between a client and servers that the tests play by hand.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::spawn_local,
};
use tokio_util::sync::CancellationToken;

use crate::{
    net::input::Input,
    pipeline::{Connection, Worker, serve_http1, serve_http2},
    records::{Records, Workload},
    tables::{Cluster, Current, Endpoints, Snapshot, UpstreamProtocol},
    traffic::{Direction, Traffic},
};

/// A proxy, and the server behind it.
pub struct Proxy {
    pub server: TcpListener,
    pub address: SocketAddr,
    pub records: Arc<Records>,
    pub drain: CancellationToken,
}

/// How the proxy under test is set up.
pub struct Setup {
    pub direction: Direction,
    pub upstream: UpstreamProtocol,
    pub client_speaks_http2: bool,
    /// Places for connections.
    pub places: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            direction: Direction::Outbound,
            upstream: UpstreamProtocol::Downstream,
            client_speaks_http2: false,
            places: 1000,
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

    /// Starts the proxy on the test's own thread.
    pub async fn start(self) -> Proxy {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let records = Arc::new(Records::new(Workload::default(), None));
        let drain = CancellationToken::new();
        let tables = self.tables(server.local_addr().unwrap());
        let worker = Worker::new(tables, records.recorder(), drain.clone(), false);
        let worker = Rc::new(worker);
        let traffic = Arc::new(Traffic::new(self.places));
        spawn_local(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let connection = Connection {
                    direction: self.direction,
                    peer,
                    original: SocketAddr::from(([10, 0, 0, 1], 9080)),
                };
                let worker = Rc::clone(&worker);
                let (open, _evicted) = traffic.enter(peer.ip()).unwrap();
                spawn_local(async move {
                    let input = Input::default();
                    if self.client_speaks_http2 {
                        serve_http2(&worker, &connection, &open, stream, input).await;
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
        }
    }

    fn tables(&self, server: SocketAddr) -> Current {
        let mut snapshot = Snapshot::pass_through(Duration::ZERO);
        let cluster = Arc::new(Cluster {
            name: Arc::from("test"),
            endpoints: Endpoints::Static {
                addresses: vec![server],
                next: AtomicUsize::new(0),
            },
            protocol: self.upstream,
            connect_timeout: Duration::from_secs(10),
        });
        snapshot.listeners.outbound.forward_all_to(&cluster);
        snapshot.listeners.inbound.forward_all_to(&cluster);
        Current::new(&watch::channel(Arc::new(snapshot)).1)
    }
}

impl Proxy {
    /// A client of the proxy.
    pub async fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// The next connection that the proxy makes to the server.
    pub async fn accept(&self) -> Peer {
        Peer::new(self.server.accept().await.unwrap().0)
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
