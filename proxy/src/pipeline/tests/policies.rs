//! Requests that are sent again because their route says so.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::spawn_local};

use super::harness::{Peer, Proxy, Setup, cluster, routing};
use crate::tables::{
    Action, Balancer, ClusterSettings, Forward, RetryCondition, RetryPolicy, Route, RouteMatch,
    UpstreamProtocol,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BAD: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

fn policy(conditions: &[&str]) -> RetryPolicy {
    let conditions = conditions
        .iter()
        .map(|name| RetryCondition::of(name).unwrap());
    RetryPolicy {
        on: conditions.collect(),
        avoids_previous_hosts: true,
        host_attempts: 5,
        base_interval: Duration::from_millis(1),
        max_interval: Duration::from_millis(10),
        ..RetryPolicy::new(2)
    }
}

/// A proxy whose route has that policy, before the server of the proxy and others.
async fn start(policy: RetryPolicy, others: &[SocketAddr]) -> Proxy {
    start_limited(policy, others, u32::MAX).await
}

async fn start_limited(policy: RetryPolicy, others: &[SocketAddr], retries: u32) -> Proxy {
    let tables = |server: SocketAddr| {
        let mut forward = Forward::to("test");
        forward.retry = Some(policy);
        let route = Route::new("test", RouteMatch::any(), Action::Forward(forward));
        let mut settings = ClusterSettings::new("test");
        settings.balancer = Balancer::RoundRobin;
        settings.limits.retries = retries;
        let all: Vec<_> = others.iter().copied().chain([server]).collect();
        routing([route], [cluster(settings, &all)])
    };
    Setup::default().start_with(tables).await
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "local")]
async fn a_server_that_can_not_be_reached_is_passed_over() {
    let proxy = start(policy(&["connect-failure"]), &[nobody().await]).await;
    let (mut client, mut server, request) = proxy.request(GET).await;
    assert!(request.contains("x-envoy-attempt-count: 2"), "{request}");
    server.send(OK).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    proxy
        .sees(&["response_code=\"200\"", "response_flags=\"-\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_request_is_sent_again_with_its_body_after_a_bad_response() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = start(policy(&["5xx"]), &[other.local_addr().unwrap()]).await;
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    let mut first = Peer::accept(&other).await;
    first.head().await;
    assert_eq!(first.body(4).await, "body");
    first.send(BAD).await;
    let mut second = proxy.accept().await;
    assert!(second.head().await.contains("x-envoy-attempt-count: 2"));
    assert_eq!(second.body(4).await, "body");
    second.send(OK).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "local")]
async fn the_last_response_is_passed_on() {
    let proxy = start(policy(&["5xx"]), &[]).await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    for attempt in 1..=3 {
        let mut server = proxy.accept().await;
        let count = format!("x-envoy-attempt-count: {attempt}\r\n");
        assert!(server.head().await.contains(&count));
        server.send(BAD).await;
    }
    assert!(client.until("busy").await.starts_with("HTTP/1.1 503 "));
    proxy
        .sees(&["response_code=\"503\"", "response_flags=\"URX\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn what_the_policy_does_not_name_is_not_repeated() {
    let proxy = start(policy(&["connect-failure", "refused-stream"]), &[]).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(BAD).await;
    assert!(client.until("busy").await.starts_with("HTTP/1.1 503 "));
    proxy
        .sees(&["response_code=\"503\"", "response_flags=\"-\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn all_servers_gone_is_one_answer_with_both_flags() {
    let mut proxy = start(policy(&["connect-failure"]), &[]).await;
    proxy.server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = proxy.connect().await;
    client.send(GET).await;
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    proxy
        .sees(&["response_code=\"503\"", "response_flags=\"URX,UF\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn retries_beyond_the_limit_of_the_cluster_are_not_made() {
    let proxy = start_limited(policy(&["5xx"]), &[], 0).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(BAD).await;
    assert!(client.until("busy").await.starts_with("HTTP/1.1 503 "));
    proxy.sees(&["response_flags=\"UO\""]).await;
}

#[tokio::test(flavor = "local")]
async fn a_body_that_is_too_long_to_be_held_is_sent_once() {
    const LEN: usize = 200_000;
    let proxy = start(policy(&["5xx"]), &[]).await;
    let mut client = proxy.connect().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\n\r\n");
    client.send(&head).await;
    client.send(&"x".repeat(LEN)).await;
    let mut server = proxy.accept().await;
    server.head().await;
    server.body(LEN).await;
    server.send(BAD).await;
    assert!(client.until("busy").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_attempt_that_takes_too_long_is_given_up() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut policy = policy(&["5xx"]);
    policy.per_try_timeout = Some(Duration::from_secs(2));
    let proxy = start(policy, &[other.local_addr().unwrap()]).await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    let mut silent = Peer::accept(&other).await;
    let request = silent.head().await;
    assert!(
        request.contains("x-envoy-expected-rq-timeout-ms: 2000"),
        "{request}"
    );
    let mut server = proxy.accept().await;
    server.head().await;
    server.send(OK).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_the_server_refuses_is_opened_again() {
    let tables = |server: SocketAddr| {
        let mut forward = Forward::to("test");
        forward.retry = Some(policy(&["refused-stream"]));
        let route = Route::new("test", RouteMatch::any(), Action::Forward(forward));
        let mut settings = ClusterSettings::new("test");
        settings.protocol = UpstreamProtocol::Http2;
        routing([route], [cluster(settings, &[server])])
    };
    let proxy = Setup::default().start_with(tables).await;
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    let stream = proxy.server.accept().await.unwrap().0;
    let mut server = h2::server::handshake(stream).await.unwrap();
    let (_, mut first) = server.accept().await.unwrap().unwrap();
    first.send_reset(h2::Reason::REFUSED_STREAM);
    let (request, mut second) = server.accept().await.unwrap().unwrap();
    assert_eq!(request.headers()["x-envoy-attempt-count"], "2");
    second.send_response(http::Response::new(()), true).unwrap();
    spawn_local(async move { while server.accept().await.is_some() {} });
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}
