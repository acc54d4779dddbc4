//! Connections that stop being HTTP.

use tokio::io::AsyncWriteExt as _;

use super::harness::Setup;
use crate::net::socket::reset_when_dropped;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

#[tokio::test(flavor = "local")]
async fn a_web_socket_passes_both_ways_until_both_have_closed() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, request) = proxy.request(UPGRADE).await;
    assert!(
        request.contains("upgrade: websocket") && request.contains("connection: upgrade"),
        "{request}"
    );
    server
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        .await;
    let response = client.head().await;
    assert!(
        response.contains("upgrade: websocket") && response.contains("connection: upgrade"),
        "{response}"
    );
    assert_eq!(client.body(5).await, "hello");
    client.send("ping").await;
    assert_eq!(server.body(4).await, "ping");
    client.stream.shutdown().await.unwrap();
    assert_eq!(server.end().await.unwrap(), "");
    server.send("last").await;
    drop(server);
    assert_eq!(client.end().await.unwrap(), "last");
}

#[tokio::test(flavor = "local")]
async fn a_silent_web_socket_ends() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(UPGRADE).await;
    server
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    client.head().await;
    tokio::time::pause();
    assert!(client.end().await.is_err());
    proxy
        .sees(&["response_code=\"101\"", "response_flags=\"SI\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_refused_upgrade_is_the_last_response() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(UPGRADE).await;
    server
        .send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        .await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    assert!(response.contains("connection: close"), "{response}");
    // Who has taken the tunnel for granted sends what would be a request.
    client.send("GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.end().await.unwrap(), "no");
    proxy.sees(&["response_code=\"403\""]).await;
}

#[tokio::test(flavor = "local")]
async fn a_refused_connect_is_the_last_request() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy
        .request("CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    server
        .send("HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n")
        .await;
    let response = client.head().await;
    assert!(response.contains("connection: close"), "{response}");
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.end().await.unwrap(), "");
}

#[tokio::test(flavor = "local")]
async fn other_protocols_than_web_socket_are_refused() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
        .await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    proxy
        .sees(&["response_code=\"403\"", "response_flags=\"DPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn connect_makes_a_tunnel() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client
        .send("CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n")
        .await;
    let mut server = proxy.accept().await;
    assert!(
        server
            .head()
            .await
            .starts_with("CONNECT db:5432 HTTP/1.1\r\nhost: db:5432\r\n")
    );
    server.send("HTTP/1.1 200 OK\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    client.send("raw").await;
    assert_eq!(server.body(3).await, "raw");
}

#[tokio::test(flavor = "local")]
async fn nobody_switches_protocols_unasked() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server
        .send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
}

#[tokio::test(flavor = "local")]
async fn a_server_that_switches_to_another_protocol_gets_no_tunnel() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(UPGRADE).await;
    client.send("GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server
        .send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")
        .await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 502"), "{response}");
    assert!(response.contains("connection: close"), "{response}");
    assert_eq!(server.end().await.unwrap(), "");
    proxy
        .sees(&["response_code=\"502\"", "response_flags=\"UPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_reset_of_a_tunnel_is_passed_on_as_a_reset() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy
        .request("CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n")
        .await;
    server.send("HTTP/1.1 200 OK\r\n\r\n").await;
    client.head().await;
    client.send("some").await;
    assert_eq!(server.body(4).await, "some");
    reset_when_dropped(&client.stream);
    drop(client);
    assert!(server.end().await.is_err());
}
