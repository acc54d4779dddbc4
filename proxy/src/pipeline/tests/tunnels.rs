//! Tunnels with HTTP/2 at one edge or at both (RFC 8441).

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture, ext::Protocol};
use http::{Method, Request, Response, StatusCode};
use tokio::{net::TcpStream, task::spawn_local};

use super::{
    harness::{Proxy, Setup},
    http2::client,
};
use crate::tables::UpstreamProtocol;

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ACCEPTED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// From a client of HTTP/2 to a server of HTTP/1.
pub fn down() -> Setup {
    Setup {
        client_speaks_http2: true,
        upstream: UpstreamProtocol::Http1,
        ..Setup::default()
    }
}

/// From a client of HTTP/1 to a server of HTTP/2.
pub fn up() -> Setup {
    Setup {
        upstream: UpstreamProtocol::Http2,
        ..Setup::default()
    }
}

pub async fn web_socket(proxy: &Proxy) -> (ResponseFuture, SendStream<Bytes>) {
    let mut client = client(proxy).await;
    while !client.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "http://a/chat".parse().unwrap();
    let protocol = Protocol::from_static("websocket");
    request.extensions_mut().insert(protocol);
    client.send_request(request, false).unwrap()
}

pub async fn server(proxy: &Proxy) -> h2::server::Connection<TcpStream, Bytes> {
    let stream = proxy.server.accept().await.unwrap().0;
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    builder.handshake(stream).await.unwrap()
}

async fn data(body: &mut RecvStream) -> Bytes {
    let data = body.data().await.unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    data
}

#[tokio::test(flavor = "local")]
async fn nothing_enters_a_tunnel_before_the_server_has_accepted_it() {
    let proxy = down().start().await;
    let (response, mut stream) = web_socket(&proxy).await;
    let mut server = proxy.accept().await;
    assert!(server.head().await.contains("upgrade: websocket"));
    // Without the upgrade, the server would take it for requests.
    let requests = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    stream
        .send_data(Bytes::from(requests.clone()), false)
        .unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), server.body(1)).await;
    assert!(early.is_err(), "{early:?}");
    server.send(ACCEPTED).await;
    assert_eq!(response.await.unwrap().status(), 200);
    assert_eq!(server.body(requests.len()).await, requests);
}

#[tokio::test(flavor = "local")]
async fn a_server_of_http1_gets_the_key_that_http2_has_not() {
    let proxy = down().start().await;
    let (response, _stream) = web_socket(&proxy).await;
    let mut server = proxy.accept().await;
    let head = server.head().await;
    let key = head.split("\r\nsec-websocket-key: ").nth(1).unwrap();
    assert_eq!(key.split("\r\n").next().unwrap().len(), 24, "{head}");
    let answer = "\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    server.send(&ACCEPTED.replace("\r\n\r\n", answer)).await;
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
}

#[tokio::test(flavor = "local")]
async fn what_was_meant_for_a_refused_tunnel_goes_nowhere() {
    let proxy = down().start().await;
    let (response, mut stream) = web_socket(&proxy).await;
    let mut server = proxy.accept().await;
    server.head().await;
    stream
        .send_data(Bytes::from(vec![b'x'; 5000]), false)
        .unwrap();
    server
        .send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        .await;
    let mut response = response.await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(data(response.body_mut()).await, "no");
    let (_response, _stream) = web_socket(&proxy).await;
    assert!(server.head().await.starts_with("GET /chat "));
}

#[tokio::test(flavor = "local")]
async fn a_server_that_does_not_know_of_the_upgrade_is_a_502() {
    let proxy = down().start().await;
    let (response, _stream) = web_socket(&proxy).await;
    let mut server = proxy.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert_eq!(response.await.unwrap().status(), 502);
    proxy
        .sees(&["response_code=\"502\"", "response_flags=\"UPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_web_socket_goes_up_by_http2() {
    let proxy = up().start().await;
    let mut client = proxy.connect().await;
    client.send(UPGRADE).await;
    let mut server = server(&proxy).await;
    let (mut request, mut respond) = server.accept().await.unwrap().unwrap();
    spawn_local(async move { while server.accept().await.is_some() {} });
    assert_eq!(request.method(), Method::CONNECT);
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 101"));
    client.send("ping").await;
    assert_eq!(data(request.body_mut()).await, "ping");
    stream.send_data(Bytes::from_static(b"pong"), true).unwrap();
    assert_eq!(client.end().await.unwrap(), "pong");
}

#[tokio::test(flavor = "local")]
async fn a_refused_web_socket_ends_the_request_by_http2() {
    let proxy = up().start().await;
    let mut client = proxy.connect().await;
    client.send(UPGRADE).await;
    let mut server = server(&proxy).await;
    let (_request, mut respond) = server.accept().await.unwrap().unwrap();
    spawn_local(async move { while server.accept().await.is_some() {} });
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::FORBIDDEN;
    respond.send_response(response, true).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 403"));
}

#[tokio::test(flavor = "local")]
async fn a_half_closed_tunnel_ends_with_its_client() {
    let proxy = down().start().await;
    let (response, mut stream) = web_socket(&proxy).await;
    let mut server = proxy.accept().await;
    server.head().await;
    server.send(ACCEPTED).await;
    let response = response.await.unwrap();
    stream.send_data(Bytes::from_static(b"last"), true).unwrap();
    assert_eq!(server.body(4).await, "last");
    drop(response);
    stream.send_reset(Reason::CANCEL);
    proxy.sees(&["response_flags=\"DC\""]).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_without_settings_is_not_waited_for_forever() {
    let proxy = up().start().await;
    let mut first = proxy.connect().await;
    let mut second = proxy.connect().await;
    first.send(UPGRADE).await;
    second.send(UPGRADE).await;
    let (_silent, _) = proxy.server.accept().await.unwrap();
    assert!(first.head().await.starts_with("HTTP/1.1 503"));
    assert!(second.head().await.starts_with("HTTP/1.1 503"));
}
