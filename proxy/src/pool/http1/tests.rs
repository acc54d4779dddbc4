use std::cell::Cell;

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::yield_now,
};

use super::*;
use crate::{
    net::stream::of_tcp,
    tables::{
        Cluster, ClusterSettings, ClusterStates, EndpointSettings, EndpointSource, Endpoints,
    },
};

struct Server {
    listener: TcpListener,
    destination: Destination,
    accepted: Vec<TcpStream>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let destination = Destination {
            address: listener.local_addr().unwrap(),
            source: None,
            mark: 0,
            secured: None,
        };
        Self {
            listener,
            destination,
            accepted: Vec::new(),
        }
    }

    async fn connect(&mut self, pool: &Http1Pool, lease: Lease) -> Box<Http1Connection> {
        let stream = TcpStream::connect(self.destination.address).await.unwrap();
        self.accepted.push(self.listener.accept().await.unwrap().0);
        let open = pool.opening(self.destination);
        let client = Client::new(of_tcp(stream));
        Box::new(Http1Connection::new(client, self.destination, lease, open))
    }
}

/// Takes a connection that its server has left alone.
async fn take(pool: &Http1Pool, from: Destination) -> Option<Box<Http1Connection>> {
    pool.take(from, || panic!("bytes came")).await
}

fn build(
    states: &mut ClusterStates,
    change: impl Fn(&mut ClusterSettings),
) -> std::sync::Arc<Cluster> {
    let mut settings = ClusterSettings::new("test");
    change(&mut settings);
    let endpoint = EndpointSettings::new(([10, 0, 0, 1], 80).into());
    states.build(settings, EndpointSource::List(vec![endpoint]))
}

fn cluster(change: impl Fn(&mut ClusterSettings)) -> std::sync::Arc<Cluster> {
    build(&mut ClusterStates::default(), change)
}

fn lease(cluster: &Cluster) -> Lease {
    Lease::new(cluster, None, None)
}

#[tokio::test]
async fn keeps_all_that_were_in_use_at_a_time() {
    const BUSY: usize = 300;
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    let cluster = cluster(|_| {});
    for _ in 0..BUSY {
        pool.give(server.connect(&pool, lease(&cluster)).await);
    }
    for _ in 0..BUSY {
        assert!(take(&pool, server.destination).await.is_some());
    }
    assert!(take(&pool, server.destination).await.is_none());
}

#[tokio::test]
async fn other_clusters_have_connections_of_their_own() {
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    pool.give(server.connect(&pool, lease(&cluster(|_| {}))).await);
    let other = Destination {
        mark: 1,
        ..server.destination
    };
    assert!(take(&pool, other).await.is_none());
    assert!(take(&pool, server.destination).await.is_some());
}

#[tokio::test]
async fn a_server_that_was_checked_by_other_roots_is_checked_again() {
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    pool.give(server.connect(&pool, lease(&cluster(|_| {}))).await);
    // Nor is plaintext taken for TLS.
    server.destination.secured = Some(0);
    assert!(take(&pool, server.destination).await.is_none());
    pool.give(server.connect(&pool, lease(&cluster(|_| {}))).await);
    let newer = Destination {
        secured: Some(1),
        ..server.destination
    };
    assert!(take(&pool, newer).await.is_none());
    assert!(take(&pool, server.destination).await.is_some());
}

#[tokio::test]
async fn a_connection_has_as_many_requests_as_it_may() {
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    let cluster = cluster(|settings| {
        settings.max_requests_per_connection = std::num::NonZeroU32::new(2);
    });
    pool.give(server.connect(&pool, lease(&cluster)).await);
    let connection = take(&pool, server.destination).await.unwrap();
    pool.give(connection);
    assert!(take(&pool, server.destination).await.is_none());
}

#[tokio::test]
async fn connections_to_what_is_gone_are_closed() {
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    let mut states = ClusterStates::default();
    let cluster = build(&mut states, |_| {});
    let Endpoints::Set(set) = &cluster.endpoints else {
        panic!("{cluster:?}");
    };
    let mut random = fastrand::Rng::with_seed(1);
    let endpoint = set
        .pick(cluster.settings.balancer, || 0, &mut random)
        .unwrap();
    let lease = Lease::new(&cluster, Some(&endpoint.state), None);
    pool.give(server.connect(&pool, lease).await);
    pool.sweep(Instant::now());
    assert_eq!(pool.idle.borrow().total, 1);
    drop(cluster);
    pool.sweep(Instant::now());
    assert_eq!(pool.idle.borrow().total, 0);
}

#[tokio::test]
async fn a_connection_goes_to_a_request_that_waits() {
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    let cluster = cluster(|settings| settings.limits.connections = 1);
    let permit = cluster.enter(Counted::Connections).unwrap();
    let connection = server
        .connect(&pool, Lease::new(&cluster, None, permit))
        .await;
    let _waiting = cluster.enter(Counted::Waiting).unwrap();
    let mut wait = pool.wait(server.destination);
    pool.give(connection);
    let connection = wait.try_recv().unwrap();
    // Nobody waits on this worker any more, so it is kept.
    pool.give(connection);
    assert!(take(&pool, server.destination).await.is_some());
    assert!(cluster.enter(Counted::Connections).is_ok());
}

#[tokio::test]
async fn connections_are_known_while_they_are_open() {
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    assert!(!pool.has_open(server.destination));
    let connection = server.connect(&pool, lease(&cluster(|_| {}))).await;
    assert!(pool.has_open(server.destination));
    drop(connection);
    assert!(!pool.has_open(server.destination));
    pool.sweep(Instant::now());
    assert!(pool.open.borrow().is_empty());
}

#[tokio::test]
async fn a_connection_on_which_bytes_come_is_not_used_again() {
    let mut server = Server::start().await;
    let pool = Http1Pool::default();
    let cluster = cluster(|_| {});
    let surplus = Cell::new(0);
    let count = || surplus.set(surplus.get() + 1);
    pool.give(server.connect(&pool, lease(&cluster)).await);
    let forged = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    server.accepted[0].write_all(forged).await.unwrap();
    // Until the bytes are there.
    while let Some(connection) = pool.take(server.destination, count).await {
        pool.give(connection);
        yield_now().await;
    }
    assert_eq!(surplus.get(), 1);

    // One that the server has closed is nothing to tell of.
    pool.give(server.connect(&pool, lease(&cluster)).await);
    server.accepted.clear();
    while let Some(connection) = pool.take(server.destination, count).await {
        pool.give(connection);
        yield_now().await;
    }
    assert_eq!(surplus.get(), 1);
}
