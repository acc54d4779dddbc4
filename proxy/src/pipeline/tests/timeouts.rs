//! Responses that take longer than their route allows.

use std::{net::SocketAddr, time::Duration};

use tokio::time::sleep;

use super::harness::{Proxy, Setup, cluster, routing};
use crate::tables::{Action, ClusterSettings, Forward, GrpcTimeout, Route, RouteMatch};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn start(change: impl FnOnce(&mut Forward)) -> Proxy {
    let tables = |server: SocketAddr| {
        let mut forward = Forward::to("test");
        change(&mut forward);
        let route = Route::new("test", RouteMatch::any(), Action::Forward(forward));
        routing([route], [cluster(ClusterSettings::new("test"), &[server])])
    };
    Setup::default().start_with(tables).await
}

fn seconds(forward: &mut Forward) {
    forward.timeout = Some(Duration::from_secs(2));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_that_does_not_answer_in_time_is_a_504() {
    let proxy = start(seconds).await;
    let (mut client, mut server, request) = proxy.request(GET).await;
    assert!(
        request.contains("x-envoy-expected-rq-timeout-ms: 2000"),
        "{request}"
    );
    let response = client.until("of its route\n").await;
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
    assert!(
        response.contains("upstream request timeout: "),
        "{response}"
    );
    proxy
        .sees(&["response_code=\"504\"", "response_flags=\"UT\""])
        .await;
    let _ = server.end().await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn for_grpc_it_is_a_status_of_its_own() {
    let proxy = start(seconds).await;
    let (mut client, _server, _) = proxy
        .request("POST /a/b HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n")
        .await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains("grpc-status: 14\r\n"), "{response}");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_of_grpc_says_how_long_it_waits() {
    let proxy = start(|forward| forward.grpc_timeout = GrpcTimeout::Honored).await;
    let (mut client, _server, _) = proxy
        .request("POST /a/b HTTP/1.1\r\nHost: a\r\ngrpc-timeout: 1S\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 504 "));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_time_begins_when_the_request_is_there() {
    let proxy = start(seconds).await;
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo")
        .await;
    let mut server = proxy.accept().await;
    server.head().await;
    sleep(Duration::from_secs(60)).await;
    client.send("dy").await;
    assert_eq!(server.body(4).await, "body");
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_response_that_is_not_complete_in_time_is_cut() {
    let proxy = start(seconds).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nsome")
        .await;
    client.until("some").await;
    assert!(client.end().await.is_err());
    proxy
        .sees(&["response_code=\"200\"", "response_flags=\"UT\""])
        .await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tunnel_has_no_time_limit() {
    let proxy = start(seconds).await;
    let (mut client, mut server, _) = proxy
        .request("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    server
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    client.head().await;
    sleep(Duration::from_secs(60)).await;
    server.send("late").await;
    assert_eq!(client.body(4).await, "late");
}
