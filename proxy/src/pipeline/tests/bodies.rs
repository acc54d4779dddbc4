//! Bodies of every kind.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::Setup;

#[tokio::test(flavor = "local")]
async fn chunks_and_trailers_pass_both_ways() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    let mut server = proxy.accept().await;
    assert!(server.head().await.contains("transfer-encoding: chunked"));
    assert_eq!(server.until("abc\r\n").await, "3\r\nabc\r\n");
    client.send("0\r\nX-Sum: 6\r\n\r\n").await;
    assert_eq!(server.until("\r\n\r\n").await, "0\r\nx-sum: 6\r\n\r\n");
    server
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n")
        .await;
    client.head().await;
    assert_eq!(
        client.until("\r\n\r\n").await,
        "2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n"
    );
}

#[tokio::test(flavor = "local")]
async fn nothing_that_is_checked_in_heads_comes_behind_a_body() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\
            X-Forwarded-Client-Cert: By=me;URI=spiffe://a/ns/b/sa/admin\r\nAuthorization: Basic YTpi\r\n\
            X-Sum: 6\r\nX-Envoy-Original-Path: /admin\r\n\r\n")
        .await;
    let mut server = proxy.accept().await;
    server.head().await;
    assert_eq!(
        server.until("x-sum: 6\r\n\r\n").await,
        "3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"
    );
    server
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nSet-Cookie: a\r\ngrpc-status: 0\r\n\r\n")
        .await;
    client.head().await;
    assert_eq!(
        client.until("\r\n\r\n").await,
        "0\r\ngrpc-status: 0\r\n\r\n"
    );
}

#[tokio::test(flavor = "local")]
async fn a_body_that_ends_with_the_connection_gets_chunks() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.send("HTTP/1.0 200 OK\r\n\r\nold server").await;
    drop(server);
    assert!(client.head().await.contains("transfer-encoding: chunked"));
    assert_eq!(
        client.until("\r\n0\r\n\r\n").await,
        "a\r\nold server\r\n0\r\n\r\n"
    );
}

#[tokio::test(flavor = "local")]
async fn responses_without_a_body_have_none() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        .await;
    assert!(client.head().await.contains("content-length: 1000"));
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: x\r\n\r\n")
        .await;
    server.head().await;
    server
        .send("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 304"));
    client.send("GET /last HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(server.head().await.starts_with("GET /last "));
}

#[tokio::test(flavor = "local")]
async fn interim_responses_are_passed_on() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let mut server = proxy.accept().await;
    assert!(server.head().await.contains("expect: 100-continue"));
    server.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 100"));
    client.send("body").await;
    assert_eq!(server.body(4).await, "body");
    server.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(client.head().await.contains("link: </a>"));
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "local")]
async fn megabytes_pass_both_ways_at_once() {
    const LEN: usize = 3_000_000;
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\n\r\n");
    client.send(&head).await;
    let mut server = proxy.accept().await;
    server.head().await;
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2dc6c0\r\n";
    server.send(head).await;
    client.head().await;
    let (mut from_client, mut to_client) = client.stream.split();
    let (mut from_server, mut to_server) = server.stream.split();
    let upload = async {
        to_client.write_all(&vec![b'u'; LEN]).await.unwrap();
    };
    let serve = async {
        let mut body = vec![0; LEN];
        let download = vec![b'd'; LEN];
        let (read, written) = tokio::join!(
            from_server.read_exact(&mut body),
            to_server.write_all(&download)
        );
        read.unwrap();
        written.unwrap();
        assert!(body.iter().all(|byte| *byte == b'u'));
        // The end of a response is the end of an upload that still goes on.
        to_server.write_all(b"\r\n0\r\n\r\n").await.unwrap();
    };
    let downloaded = async {
        let mut body = Vec::new();
        while !body.ends_with(b"\r\n0\r\n\r\n") {
            let mut piece = vec![0; 64 * 1024];
            let len = from_client.read(&mut piece).await.unwrap();
            assert!(len > 0);
            body.extend_from_slice(&piece[..len]);
        }
        assert_eq!(
            body.iter().filter(|byte| **byte == b'd').count() / 1000,
            LEN / 1000
        );
    };
    tokio::join!(upload, serve, downloaded);
}

#[tokio::test(flavor = "local")]
async fn an_early_response_ends_the_upload() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy
        .request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome")
        .await;
    server
        .send("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        .await;
    client.head().await;
    assert_eq!(client.body(2).await, "no");
    // Neither connection is at the beginning of a message.
    assert_eq!(client.end().await.unwrap(), "");
    let _ = server.end().await;
}
