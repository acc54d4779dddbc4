//! Clusters that may have only so much at a time.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use tokio::{
    task::{spawn_local, yield_now},
    time::timeout,
};

use super::harness::{Proxy, Setup, cluster, routing};
use crate::tables::{
    Action, CircuitLimits, ClusterSettings, Forward, Route, RouteMatch, UpstreamProtocol,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

async fn start(change: impl FnOnce(&mut ClusterSettings)) -> Proxy {
    let tables = |server: SocketAddr| {
        let forward = Action::Forward(Forward::to("test"));
        let mut settings = ClusterSettings::new("test");
        change(&mut settings);
        let route = Route::new("test", RouteMatch::any(), forward);
        routing([route], [cluster(settings, &[server])])
    };
    Setup::default().start_with(tables).await
}

fn one_connection(pending: u32) -> impl FnOnce(&mut ClusterSettings) {
    move |settings| {
        settings.limits = CircuitLimits {
            connections: 1,
            pending,
            ..CircuitLimits::UNLIMITED
        };
    }
}

#[tokio::test(flavor = "local")]
async fn a_request_too_many_is_a_503_that_says_so() {
    let proxy = start(|settings| settings.limits.requests = 1).await;
    let (mut first, mut server, _) = proxy.request(GET).await;
    let mut second = proxy.connect().await;
    second.send(GET).await;
    let response = second.until("connectionPool allows\n").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("x-envoy-overloaded: true"), "{response}");
    proxy
        .sees(&["response_code=\"503\"", "response_flags=\"UO\""])
        .await;
    server.send(OK).await;
    first.head().await;
    second.send(GET).await;
    server.head().await;
}

#[tokio::test(flavor = "local")]
async fn a_request_waits_for_the_connection_of_another() {
    let proxy = start(one_connection(10)).await;
    let (mut first, mut server, _) = proxy.request(GET).await;
    let mut second = proxy.connect().await;
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for _ in 0..100 {
        yield_now().await;
    }
    server.send(OK).await;
    first.head().await;
    assert!(server.head().await.starts_with("GET /second "));
    server.send(OK).await;
    assert!(second.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "local")]
async fn a_request_that_waits_may_connect_when_the_connection_ends() {
    let proxy = start(one_connection(10)).await;
    let (mut first, mut server, _) = proxy.request(GET).await;
    let mut second = proxy.connect().await;
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for _ in 0..100 {
        yield_now().await;
    }
    server
        .send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        .await;
    first.head().await;
    let mut server = proxy.accept().await;
    assert!(server.head().await.starts_with("GET /second "));
}

#[tokio::test(flavor = "local")]
async fn no_more_requests_wait_than_may() {
    let proxy = start(one_connection(1)).await;
    let (_first, _server, _) = proxy.request(GET).await;
    let mut second = proxy.connect().await;
    second.send(GET).await;
    for _ in 0..100 {
        yield_now().await;
    }
    let mut third = proxy.connect().await;
    third.send(GET).await;
    assert!(third.head().await.starts_with("HTTP/1.1 503 "));
    proxy.sees(&["response_flags=\"UO\""]).await;
}

#[tokio::test(flavor = "local")]
async fn a_connection_has_no_more_requests_than_it_may() {
    let proxy = start(|settings| settings.max_requests_per_connection = NonZeroU32::new(1)).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(OK).await;
    client.head().await;
    client.send(GET).await;
    proxy.accept().await.head().await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_waits_for_a_stream_of_the_only_connection() {
    let proxy = start(|settings| {
        settings.protocol = UpstreamProtocol::Http2;
        settings.limits.connections = 1;
    })
    .await;
    let mut first = proxy.connect().await;
    first.send(GET).await;
    let stream = proxy.server.accept().await.unwrap().0;
    let mut builder = h2::server::Builder::new();
    let handshake = builder.max_concurrent_streams(1).handshake(stream);
    let mut server: h2::server::Connection<_, bytes::Bytes> = handshake.await.unwrap();
    let (_, mut respond) = server.accept().await.unwrap().unwrap();
    let mut second = proxy.connect().await;
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let early = timeout(Duration::from_millis(100), server.accept()).await;
    assert!(early.is_err());
    respond
        .send_response(http::Response::new(()), true)
        .unwrap();
    let (request, mut respond) = server.accept().await.unwrap().unwrap();
    assert_eq!(request.uri().path(), "/second");
    respond
        .send_response(http::Response::new(()), true)
        .unwrap();
    spawn_local(async move { while server.accept().await.is_some() {} });
    assert!(first.head().await.starts_with("HTTP/1.1 200 "));
    assert!(second.head().await.starts_with("HTTP/1.1 200 "));
}
