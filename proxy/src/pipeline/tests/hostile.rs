//! Servers and clients that mean harm.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderValue, Request, Response};
use pillion_serve::Frame;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::spawn_local,
};

use super::harness::{Proxy, Setup};
use crate::{metrics::Peer as Side, tables::UpstreamProtocol};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

#[tokio::test(flavor = "local")]
async fn ends_a_flood_of_interim_responses_with_a_502() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(&HINTS.repeat(33)).await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    for _ in 0..32 {
        assert!(client.head().await.starts_with("HTTP/1.1 103 "));
    }
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    proxy
        .sees(&["response_code=\"502\"", "response_flags=\"UPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn interim_responses_do_not_break_a_request_of_http2() {
    let proxy = Setup::http2_to_http1().start().await;
    let mut client = client_at(&proxy, [127, 0, 0, 1]).await;
    let request = Request::get("http://a/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let mut server = proxy.accept().await;
    server.head().await;
    server.send(HINTS).await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(response.await.unwrap().status(), 200);
}

/// A client of HTTP/2 with that address.
async fn client_at(proxy: &Proxy, address: [u8; 4]) -> SendRequest<Bytes> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let stream = socket.connect(proxy.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    drop(spawn_local(connection));
    client.ready().await.unwrap()
}

/// What the server says of its connection.
async fn connection_of(client: &mut SendRequest<Bytes>) -> HeaderValue {
    let request = Request::get("http://a/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    response.await.unwrap().headers()["connection-number"].clone()
}

#[tokio::test(flavor = "local")]
async fn clients_share_no_connection_of_http2_to_a_server() {
    for setup in [Setup::inbound(), Setup::gateway()] {
        check_that_clients_share_no_connection(setup).await;
    }
}

async fn check_that_clients_share_no_connection(setup: Setup) {
    let setup = Setup {
        client_speaks_http2: true,
        ..setup
    };
    let mut proxy = setup.start().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = std::mem::replace(&mut proxy.server, elsewhere);
    spawn_local(async move {
        for number in 0.. {
            let stream = server.accept().await.unwrap().0;
            spawn_local(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let response = Response::builder().header("connection-number", number);
                    let response = response.body(()).unwrap();
                    respond.send_response(response, true).unwrap();
                }
            });
        }
    });
    let mut one = client_at(&proxy, [127, 0, 0, 1]).await;
    let mut same = client_at(&proxy, [127, 0, 0, 1]).await;
    let mut other = client_at(&proxy, [127, 0, 0, 2]).await;
    let number = connection_of(&mut one).await;
    assert_eq!(connection_of(&mut same).await, number);
    assert_ne!(connection_of(&mut other).await, number);
}

#[tokio::test(flavor = "local")]
async fn refuses_more_streams_than_there_is_room_for() {
    let setup = Setup {
        client_speaks_http2: true,
        upstream: UpstreamProtocol::Http1,
        places: 1,
        ..Setup::default()
    };
    let proxy = setup.start().await;
    let mut client = client_at(&proxy, [127, 0, 0, 1]).await;
    let mut ask = || {
        let request = Request::get("http://a/").body(()).unwrap();
        client.send_request(request, true).unwrap().0
    };
    // The server answers none of them.
    let waiting: Vec<_> = (0..8).map(|_| ask()).collect();
    let one_more = ask();
    proxy
        .sees(&["response_code=\"503\"", "response_flags=\"OM\""])
        .await;
    assert_eq!(one_more.await.unwrap().status(), 503);
    drop(waiting);
}

#[tokio::test(flavor = "local")]
async fn what_there_is_no_room_for_does_not_wait_for_a_window() {
    let setup = Setup {
        client_speaks_http2: true,
        upstream: UpstreamProtocol::Http1,
        places: 1,
        ..Setup::default()
    };
    let proxy = setup.start().await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let handshake = builder.initial_window_size(0).handshake::<_, Bytes>(stream);
    let (mut client, connection) = handshake.await.unwrap();
    drop(spawn_local(connection));
    let mut ask = || {
        let request = Request::get("http://a/").body(()).unwrap();
        client.send_request(request, true).unwrap().0
    };
    let waiting: Vec<_> = (0..8).map(|_| ask()).collect();
    let mut body = ask().await.unwrap().into_body();
    // It has come to its end, and is recorded.
    assert!(body.data().await.is_none());
    proxy.sees(&["response_flags=\"OM\""]).await;
    drop(waiting);
}

/// The next connection that the proxy makes to the server, where the other requests are answered.
async fn first_of_server(proxy: &Proxy) -> h2::server::SendResponse<Bytes> {
    let stream = proxy.server.accept().await.unwrap().0;
    let mut server = h2::server::handshake(stream).await.unwrap();
    let (_request, respond) = server.accept().await.unwrap().unwrap();
    spawn_local(async move {
        while let Some(Ok((_request, mut respond))) = server.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
        }
    });
    respond
}

#[tokio::test(flavor = "local")]
async fn a_stalled_stream_of_small_frames_does_no_harm_to_others() {
    let proxy = Setup::http2().start().await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    // A window that is soon full.
    let mut builder = h2::client::Builder::new();
    let handshake = builder.initial_window_size(1024).handshake(stream).await;
    let (client, connection) = handshake.unwrap();
    drop(spawn_local(connection));
    let mut client: SendRequest<Bytes> = client.ready().await.unwrap();
    let get = || Request::get("http://a/").body(()).unwrap();
    let (stalled, _) = client.send_request(get(), true).unwrap();
    let mut respond = first_of_server(&proxy).await;
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    // Less than the window that the proxy gives to the server.
    let sent: Vec<_> = (0..8000).map(|number| format!("{number:08}")).collect();
    for piece in &sent {
        body.send_data(Bytes::from(piece.clone()), false).unwrap();
    }
    body.send_data(Bytes::new(), true).unwrap();
    let mut stalled = stalled.await.unwrap();
    for _ in 0..100 {
        let (live, _) = client.send_request(get(), true).unwrap();
        tokio::select! {
            response = live => assert_eq!(response.unwrap().status(), 200),
            _ = proxy.server.accept() => panic!("the connection to the server has ended"),
        }
    }
    let mut received = Vec::new();
    while let Some(piece) = stalled.body_mut().data().await {
        let piece = piece.unwrap();
        let mut window = stalled.body_mut().flow_control().clone();
        window.release_capacity(piece.len()).unwrap();
        received.extend_from_slice(&piece);
    }
    assert!(received == sent.concat().into_bytes());
    let errors = |frame, code| proxy.http2.errors_sent(Side::Server, frame, code);
    assert_eq!(errors("goaway", "enhance_your_calm"), 0);
}

#[tokio::test(flavor = "local")]
async fn a_server_that_floods_is_counted() {
    let proxy = Setup::http2().start().await;
    let mut client = client_at(&proxy, [127, 0, 0, 1]).await;
    let request = Request::get("http://a/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let (mut reader, mut writer) = proxy.server.accept().await.unwrap().0.into_split();
    spawn_local(async move {
        let mut buffer = [0; 4096];
        while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    writer
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(100);
    while writer.write_all(&ping).await.is_ok() {}
    assert_eq!(response.await.unwrap().status(), 503);
    let floods = proxy.http2.floods("source", Side::Server, Frame::Ping);
    assert_eq!(floods, 1);
}

#[tokio::test(flavor = "local")]
async fn a_head_that_is_refused_is_recorded() {
    let proxy = Setup::http2().start().await;
    let mut client = client_at(&proxy, [127, 0, 0, 1]).await;
    for (host, code) in [
        ("b", "response_code=\"0\""),
        ("a:b", "response_code=\"400\""),
    ] {
        let mut request = Request::get("http://a/").body(()).unwrap();
        if code.contains('4') {
            *request.uri_mut() = "http://a:b/".parse().unwrap();
        }
        let host = host.parse().unwrap();
        request.headers_mut().insert("host", host);
        let (response, _) = client.send_request(request, true).unwrap();
        let _ = response.await;
        proxy
            .sees(&["istio_requests_total", "response_flags=\"DPE\"", code])
            .await;
    }
    assert_eq!(proxy.http2.refused_heads("host_is_not_authority"), 1);
    assert_eq!(proxy.http2.refused_heads("invalid_host"), 1);
}
