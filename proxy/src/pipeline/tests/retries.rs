//! Requests whose connection died while it was idle.

use super::harness::{Peer, Proxy, Setup};

/// A client that has had one response, and its server.
async fn warm(proxy: &Proxy) -> (Peer, Peer) {
    let (mut client, mut server, _) = proxy.request("GET /warm HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    client.head().await;
    (client, server)
}

#[tokio::test(flavor = "local")]
async fn a_connection_that_was_closed_is_not_used() {
    let proxy = Setup::default().start().await;
    let (mut client, server) = warm(&proxy).await;
    drop(server);
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    let mut server = proxy.accept().await;
    let request = server.head().await;
    assert!(request.contains("x-envoy-attempt-count: 1"), "{request}");
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "local")]
async fn an_idempotent_request_is_sent_again_with_its_body() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server) = warm(&proxy).await;
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    server.head().await;
    drop(server);
    let mut server = proxy.accept().await;
    let request = server.head().await;
    assert!(request.contains("x-envoy-attempt-count: 2"), "{request}");
    assert_eq!(server.body(4).await, "body");
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "local")]
async fn it_is_sent_again_once() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server) = warm(&proxy).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.head().await;
    drop(server);
    proxy.accept().await.head().await;
    assert!(client.head().await.starts_with("HTTP/1.1 503"));
}

#[tokio::test(flavor = "local")]
async fn what_the_server_may_have_done_already_is_not_sent_again() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server) = warm(&proxy).await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    server.head().await;
    drop(server);
    assert!(client.head().await.starts_with("HTTP/1.1 503"));
}

#[tokio::test(flavor = "local")]
async fn a_request_is_not_sent_again_once_the_answer_has_begun() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server) = warm(&proxy).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server.head().await;
    server.send("HTTP/1.1 2").await;
    drop(server);
    assert!(client.head().await.starts_with("HTTP/1.1 503"));
}
