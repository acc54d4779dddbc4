//! HTTP/2 at one edge or at both, with h2 as the stranger.

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::{net::TcpStream, task::spawn_local};

use super::harness::{Peer, Proxy, Setup};
use crate::tables::UpstreamProtocol;

pub async fn client(proxy: &Proxy) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    spawn_local(async move {
        let _ = connection.await;
    });
    client.ready().await.unwrap()
}

async fn server(proxy: &Proxy) -> h2::server::Connection<TcpStream, Bytes> {
    let stream = proxy.server.accept().await.unwrap().0;
    h2::server::handshake(stream).await.unwrap()
}

/// What a server of HTTP/2 gets of this request, and its client.
async fn asked_by_http1(
    text: &str,
) -> (Peer, Request<RecvStream>, h2::server::SendResponse<Bytes>) {
    let setup = Setup {
        upstream: UpstreamProtocol::Http2,
        ..Setup::default()
    };
    let proxy = setup.start().await;
    let mut client = proxy.connect().await;
    client.send(text).await;
    let mut server = server(&proxy).await;
    let (request, respond) = server.accept().await.unwrap().unwrap();
    spawn_local(async move { while server.accept().await.is_some() {} });
    (client, request, respond)
}

async fn collect(body: &mut RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        bytes.extend_from_slice(&piece);
    }
    (bytes, body.trailers().await.unwrap())
}

fn post(path: &str) -> Request<()> {
    Request::post(format!("http://ratings{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

#[tokio::test(flavor = "local")]
async fn a_call_of_grpc_passes_with_its_trailers() {
    let proxy = Setup::http2().start().await;
    let mut client = client(&proxy).await;
    let (response, mut body) = client.send_request(post("/echo"), false).unwrap();
    body.send_data(Bytes::from_static(b"question"), true)
        .unwrap();
    let serve = async {
        let mut server = server(&proxy).await;
        let (mut request, mut respond) = server.accept().await.unwrap().unwrap();
        spawn_local(async move { while server.accept().await.is_some() {} });
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.uri().authority().unwrap(), "ratings");
        assert_eq!(request.headers()["x-envoy-attempt-count"], "1");
        assert_eq!(collect(request.body_mut()).await.0, b"question");
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream
            .send_data(Bytes::from_static(b"answer"), false)
            .unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "5".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
    };
    let (response, ()) = tokio::join!(response, serve);
    let mut response = response.unwrap();
    assert_eq!(response.headers()["server"], "envoy");
    let (body, trailers) = collect(response.body_mut()).await;
    assert_eq!(
        (&body[..], &trailers.unwrap()["grpc-status"]),
        (&b"answer"[..], &"5".parse::<http::HeaderValue>().unwrap())
    );
    proxy
        .sees(&[
            "istio_requests_total",
            "request_protocol=\"grpc\"",
            "grpc_response_status=\"5\"",
        ])
        .await;
}

#[tokio::test(flavor = "local")]
async fn http2_to_http1_and_back() {
    let proxy = Setup::http2_to_http1().start().await;
    let mut client = client(&proxy).await;
    let mut request = post("/a?b");
    request
        .headers_mut()
        .append("cookie", "a=1".parse().unwrap());
    request
        .headers_mut()
        .append("cookie", "b=2".parse().unwrap());
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"body"), true).unwrap();
    let serve = async {
        let mut server = proxy.accept().await;
        let head = server.head().await;
        assert!(
            head.starts_with("POST /a?b HTTP/1.1\r\nhost: ratings\r\n"),
            "{head}"
        );
        assert!(
            head.contains("cookie: a=1; b=2") && head.contains("transfer-encoding: chunked"),
            "{head}"
        );
        assert_eq!(server.until("0\r\n\r\n").await, "4\r\nbody\r\n0\r\n\r\n");
        server.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: x\r\nx: y\r\n\r\n2\r\nok\r\n0\r\nsum: 1\r\n\r\n").await;
        server
    };
    let (response, _server) = tokio::join!(response, serve);
    let mut response = response.unwrap();
    assert!(
        !response.headers().contains_key("x") && !response.headers().contains_key("connection")
    );
    let (body, trailers) = collect(response.body_mut()).await;
    assert_eq!(
        (&body[..], trailers.unwrap()["sum"].as_bytes()),
        (&b"ok"[..], &b"1"[..])
    );
}

#[tokio::test(flavor = "local")]
async fn what_http2_can_not_carry_of_http1_is_encoded_or_refused() {
    let (mut client, request, mut respond) =
        asked_by_http1("GET /a?q=<x> HTTP/1.1\r\nHost: b\r\n\r\n").await;
    assert_eq!(request.uri().query().unwrap(), "q=%3Cx%3E");
    respond.send_response(Response::new(()), true).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client.send("GET / HTTP/1.1\r\nHost: a%20b\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 400 "));
    client.until("bad request: host_not_for_http2").await;
}

#[tokio::test(flavor = "local")]
async fn http1_to_http2_and_back() {
    let (mut client, mut request, mut respond) =
        asked_by_http1("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nbody").await;
    assert_eq!(request.uri().authority().unwrap(), "b");
    assert_eq!(collect(request.body_mut()).await.0, b"body");
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(b"ok"), true).unwrap();
    assert!(client.head().await.contains("transfer-encoding: chunked"));
    assert_eq!(client.until("0\r\n\r\n").await, "2\r\nok\r\n0\r\n\r\n");
}

#[tokio::test(flavor = "local")]
async fn many_requests_share_a_connection() {
    let proxy = Setup::http2().start().await;
    let mut client = client(&proxy).await;
    let responses: Vec<_> = (0..20)
        .map(|_| client.send_request(post("/"), true).unwrap().0)
        .collect();
    let mut server = server(&proxy).await;
    spawn_local(async move {
        while let Some(Ok((_, mut respond))) = server.accept().await {
            let _ = respond.send_response(Response::new(()), true);
        }
    });
    for response in responses {
        assert_eq!(response.await.unwrap().status(), 200);
    }
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(50), proxy.accept())
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "local")]
async fn a_failure_is_a_status_of_grpc() {
    let mut proxy = Setup::http2().start().await;
    proxy.server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = client(&proxy).await;
    let response = client
        .send_request(post("/"), true)
        .unwrap()
        .0
        .await
        .unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["grpc-status"]
        ),
        (200, &"14".parse::<http::HeaderValue>().unwrap())
    );
    proxy
        .sees(&["grpc_response_status=\"14\"", "response_flags=\"UF\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_connection_that_breaks_leaves_the_records_of_its_requests() {
    let proxy = Setup::http2().start().await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = spawn_local(connection);
    let _response = client.send_request(post("/"), true).unwrap().0;
    let mut server = server(&proxy).await;
    let _request = server.accept().await.unwrap().unwrap();
    driver.abort();
    proxy
        .sees(&["response_code=\"0\"", "response_flags=\"DC\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_body_that_a_response_may_not_have_is_not_passed_on() {
    let setup = Setup {
        upstream: UpstreamProtocol::Http2,
        ..Setup::default()
    };
    let proxy = setup.start().await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = server(&proxy).await;
    let (_, mut respond) = server.accept().await.unwrap().unwrap();
    spawn_local(async move { while server.accept().await.is_some() {} });
    let mut head = Response::new(());
    *head.status_mut() = http::StatusCode::NO_CONTENT;
    let mut stream = respond.send_response(head, false).unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 204"));
    // Whoever reads the client's connection would take it for the next response.
    stream
        .send_data(Bytes::from("HTTP/1.1 200 OK\r\n".repeat(200)), true)
        .unwrap();
    assert!(client.end().await.is_err(), "the connection is reset");
}

#[tokio::test(flavor = "local")]
async fn interim_responses_are_passed_on() {
    let proxy = Setup::http2_to_http1().start().await;
    let mut client = client(&proxy).await;
    let (response, _) = client.send_request(post("/"), true).unwrap();
    let serve = async {
        let mut server = proxy.accept().await;
        server.head().await;
        server
            .send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
            .await;
        server
    };
    let (response, _server) = tokio::join!(response, serve);
    assert_eq!(response.unwrap().status(), 201);
}

#[tokio::test(flavor = "local")]
async fn requests_that_were_refused_share_a_new_connection() {
    const COUNT: usize = 5;
    let proxy = Setup::http2().start().await;
    let mut client = client(&proxy).await;
    let (warm, _) = client.send_request(post("/"), true).unwrap();
    let mut first = server(&proxy).await;
    let (_, mut respond) = first.accept().await.unwrap().unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    tokio::select! {
        response = warm => assert_eq!(response.unwrap().status(), 200),
        _ = first.accept() => panic!("a request too many"),
    }
    let responses: Vec<_> = (0..COUNT)
        .map(|_| client.send_request(post("/"), true).unwrap().0)
        .collect();
    let mut refused = Vec::new();
    for _ in 0..COUNT {
        refused.push(first.accept().await.unwrap().unwrap().1);
    }
    // The proxy hears first that the connection takes no more.
    first.graceful_shutdown();
    let shutdown = std::time::Duration::from_millis(50);
    let _ = tokio::time::timeout(shutdown, first.accept()).await;
    for mut respond in refused {
        respond.send_reset(h2::Reason::REFUSED_STREAM);
    }
    spawn_local(async move { while first.accept().await.is_some() {} });
    let mut second = server(&proxy).await;
    spawn_local(async move {
        while let Some(Ok((_, mut respond))) = second.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
        }
    });
    for response in responses {
        assert_eq!(response.await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "local")]
async fn a_client_that_goes_away_is_noticed_while_the_server_takes_nothing() {
    let proxy = Setup::http2_to_http1().start().await;
    socket2::SockRef::from(&proxy.server)
        .set_recv_buffer_size(4096)
        .unwrap();
    let mut client = client(&proxy).await;
    let (_response, mut body) = client.send_request(post("/"), false).unwrap();
    let mut server = proxy.accept().await;
    server.head().await;
    // Until all windows and the buffers of all sockets are full.
    let stuck = std::time::Duration::from_millis(500);
    loop {
        body.reserve_capacity(64 * 1024);
        let room = std::future::poll_fn(|context| body.poll_capacity(context));
        let Ok(room) = tokio::time::timeout(stuck, room).await else {
            break;
        };
        let piece = Bytes::from(vec![0; room.unwrap().unwrap()]);
        body.send_data(piece, false).unwrap();
    }
    body.send_reset(h2::Reason::CANCEL);
    proxy.sees(&["response_flags=\"DC\""]).await;
}
