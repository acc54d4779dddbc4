//! HTTP/1.1 on both sides.

use std::time::Duration;

use tokio::time::sleep;

use super::harness::Setup;

#[tokio::test(flavor = "local")]
async fn a_request_and_its_response_are_passed_on() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, request) = proxy.request("GET /a?b HTTP/1.1\r\nHost: reviews:9080\r\nX-Mine: Yes\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n").await;
    assert!(
        request.starts_with("GET /a?b HTTP/1.1\r\nhost: reviews:9080\r\n"),
        "{request}"
    );
    for line in [
        "x-mine: Yes",
        "x-forwarded-proto: http",
        "x-envoy-attempt-count: 1",
        "x-request-id: ",
    ] {
        assert!(request.contains(line), "{line}: {request}");
    }
    assert!(
        !request.contains("x-hop") && !request.contains("connection"),
        "{request}"
    );
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: mine\r\nKeep-Alive: timeout=5\r\n\r\nhello")
        .await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    for line in [
        "content-length: 5",
        "server: envoy",
        "date: ",
        "x-envoy-upstream-service-time: ",
    ] {
        assert!(response.contains(line), "{line}: {response}");
    }
    assert!(!response.contains("keep-alive"), "{response}");
    assert_eq!(client.body(5).await, "hello");
    proxy
        .sees(&[
            "istio_requests_total",
            "reporter=\"source\"",
            "response_code=\"200\"",
            "response_flags=\"-\"",
        ])
        .await;
}

#[tokio::test(flavor = "local")]
async fn the_sidecar_of_a_server_says_so() {
    let proxy = Setup::inbound().start().await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = proxy.accept().await;
    assert!(!server.head().await.contains("x-envoy-attempt-count"));
    server.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let response = client.head().await;
    assert!(response.contains("server: istio-envoy"), "{response}");
    assert!(!response.contains("content-length"), "{response}");
}

#[tokio::test(flavor = "local")]
async fn both_connections_are_used_again() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = proxy.accept().await;
    for number in 1..=3 {
        assert!(server.head().await.starts_with(&format!("GET /{number} ")));
        server
            .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
        client.head().await;
        assert_eq!(client.body(2).await, "ok");
        let next = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", number + 1);
        client.send(&next).await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_connection_with_bytes_behind_the_response_is_not_used_again() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let response = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n{body}");
    server
        .send(&[response("the 1."), response("forged")].concat())
        .await;
    client.head().await;
    assert_eq!(client.body(6).await, "the 1.");
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut other = proxy.accept().await;
    assert!(other.head().await.starts_with("GET /2 "));
    other.send(&response("the 2.")).await;
    client.head().await;
    assert_eq!(client.body(6).await, "the 2.");
    proxy
        .sees(&["response_code=\"200\"", "response_flags=\"UPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn pipelined_requests_are_answered_in_order() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    let request =
        |path| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    client.send(&[request("/1"), request("/2")].concat()).await;
    let mut server = proxy.accept().await;
    for number in 1..=2 {
        assert!(server.head().await.starts_with(&format!("POST /{number} ")));
        assert_eq!(server.body(4).await, "body");
        let response = format!("HTTP/1.1 20{number} X\r\ncontent-length: 0\r\n\r\n");
        server.send(&response).await;
    }
    assert!(client.head().await.starts_with("HTTP/1.1 201"));
    assert!(client.head().await.starts_with("HTTP/1.1 202"));
}

#[tokio::test(flavor = "local")]
async fn a_client_that_asks_to_close_is_closed() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let mut server = proxy.accept().await;
    assert!(!server.head().await.contains("connection"));
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    let response = client.end().await.unwrap();
    assert!(
        response.contains("connection: close") && response.ends_with("ok"),
        "{response}"
    );
}

#[tokio::test(flavor = "local")]
async fn clients_are_told_to_go_elsewhere_during_the_drain() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    proxy.drain.cancel();
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    let response = client.end().await.unwrap();
    assert!(
        response.contains("connection: close") && response.ends_with("ok"),
        "{response}"
    );
}

#[tokio::test(flavor = "local")]
async fn http_1_0_is_refused_by_the_sidecar_of_the_server_only() {
    let proxy = Setup::inbound().start().await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let response = client.end().await.unwrap();
    assert!(response.starts_with("HTTP/1.0 426 "), "{response}");

    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let mut server = proxy.accept().await;
    assert!(
        server
            .head()
            .await
            .starts_with("GET / HTTP/1.1\r\nhost: a\r\n")
    );
    server
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        .await;
    let response = client.end().await.unwrap();
    assert!(
        response.ends_with("\r\n\r\nok") && !response.contains("chunked"),
        "{response}"
    );
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_head_has_its_time_from_its_first_byte_on() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    sleep(Duration::from_secs(300)).await;
    client.send("GET / HTTP/1.1\r\n").await;
    sleep(Duration::from_secs(30)).await;
    client.send("Host: a\r\n\r\n").await;
    let mut server = proxy.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    client.send("GET / HTTP/1.1\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 408"));
}
