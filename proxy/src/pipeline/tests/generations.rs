//! What becomes of connections and requests when newer tables come.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use tokio::time::sleep;

use super::{
    harness::{Proxy, Setup, cluster, routing},
    http2,
};
use crate::tables::{
    Action, Addresses, ClusterSettings, ClusterStates, EndpointSource, Forward, Route, RouteMatch,
    Snapshot, UpstreamProtocol,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Tables that send everything to the cluster `v1`, of that generation.
fn tables(proxy: &Proxy, generation: u64) -> Snapshot {
    tables_to(proxy.server.local_addr().unwrap(), generation)
}

fn tables_to(server: SocketAddr, generation: u64) -> Snapshot {
    let route = Route::new(
        "test",
        RouteMatch::any(),
        Action::Forward(Forward::to("v1")),
    );
    let mut settings = ClusterSettings::new("v1");
    settings.protocol = UpstreamProtocol::Http1;
    let mut tables = routing([route], [cluster(settings, &[server])]);
    tables.generation = generation;
    tables
}

/// A proxy with the second generation of tables.
async fn started(setup: Setup) -> Proxy {
    let proxy = setup.start().await;
    send(&proxy, tables(&proxy, 2)).await;
    proxy
}

async fn send(proxy: &Proxy, tables: Snapshot) {
    proxy.tables.borrow_mut().publish(tables);
    sleep(Duration::from_millis(1)).await;
    proxy.tables.borrow_mut().free();
}

async fn remove_listener(proxy: &Proxy) {
    let mut newer = tables(proxy, 3);
    Arc::make_mut(&mut newer.listeners).outbound = Addresses::default();
    send(proxy, newer).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_kept_connection_is_served_and_closed_when_its_listener_is_gone() {
    let proxy = started(Setup::default()).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(OK).await;
    client.head().await;
    remove_listener(&proxy).await;
    client.send(GET).await;
    // The cluster is another one, which has no connections yet.
    let mut server = proxy.accept().await;
    server.head().await;
    server.send(OK).await;
    let response = client.end().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_that_is_kept_too_long_is_told_to_come_again() {
    let proxy = started(Setup::default()).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(OK).await;
    client.head().await;
    remove_listener(&proxy).await;
    sleep(Duration::from_secs(50)).await;
    client.send(GET).await;
    let response = client.end().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert!(response.ends_with("connect again\n"), "{response}");
    proxy.sees(&["response_flags=\"NR\""]).await;
}

#[tokio::test(flavor = "local")]
async fn a_kept_connection_of_http2_takes_no_more_requests() {
    let proxy = started(Setup::http2()).await;
    let mut client = http2::client(&proxy).await;
    remove_listener(&proxy).await;
    let request = || Request::get("http://a/").body(()).unwrap();
    let (response, _) = client.send_request(request(), true).unwrap();
    let mut server = proxy.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(response.await.unwrap().status(), 200);
    sleep(Duration::from_millis(10)).await;
    let refused = match client.ready().await {
        Ok(mut client) => client.send_request(request(), true).is_err(),
        Err(_) => true,
    };
    assert!(refused, "another request is taken");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_response_that_goes_on_does_not_hold_its_generation() {
    let proxy = started(Setup::default()).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc")
        .await;
    client.until("abc").await;
    let old = Arc::downgrade(&proxy.tables.borrow().newest());
    send(&proxy, tables(&proxy, 3)).await;
    assert!(old.upgrade().is_none(), "the old tables are held");
    server.send("def").await;
    client.until("def").await;
    let series = ["response_code=\"200\"", "response_flags=\"-\""];
    proxy.sees(&series).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tunnel_does_not_hold_its_generation() {
    let proxy = started(Setup::default()).await;
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (mut client, mut server, _) = proxy.request(upgrade).await;
    server
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        )
        .await;
    client.head().await;
    let old = Arc::downgrade(&proxy.tables.borrow().newest());
    send(&proxy, tables(&proxy, 3)).await;
    assert!(old.upgrade().is_none(), "the old tables are held");
    client.send("hello").await;
    server.until("hello").await;
}

#[tokio::test(flavor = "local")]
async fn a_request_by_an_old_listener_waits_for_endpoints_as_others_do() {
    let proxy = Setup::default()
        .start_with(|server| tables_to(server, 1))
        .await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(OK).await;
    client.head().await;
    let without_listener = |generation| {
        let mut newer = tables(&proxy, generation);
        Arc::make_mut(&mut newer.listeners).outbound = Addresses::default();
        newer
    };
    let mut waiting = without_listener(2);
    let cluster =
        ClusterStates::default().build(ClusterSettings::new("v1"), EndpointSource::Waiting);
    waiting.clusters = Arc::new([cluster].into_iter().collect());
    send(&proxy, waiting).await;
    client.send(GET).await;
    sleep(Duration::from_millis(10)).await;
    send(&proxy, without_listener(3)).await;
    let mut server = proxy.accept().await;
    server.head().await;
    server.send(OK).await;
    let response = client.end().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

const LONG_OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc";

/// Has the proxy refuse plaintext from now on.
async fn take_mutual_tls_alone(proxy: &Proxy) {
    let mut newer = tables(proxy, 3);
    Arc::make_mut(&mut newer.listeners).inbound = Addresses::default();
    send(proxy, newer).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_response_in_plaintext_ends_a_while_after_its_listener() {
    let proxy = started(Setup::inbound()).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(LONG_OK).await;
    client.until("abc").await;
    take_mutual_tls_alone(&proxy).await;
    sleep(Duration::from_secs(40)).await;
    server.send("d").await;
    client.until("d").await;
    sleep(Duration::from_secs(10)).await;
    // It must not look complete.
    assert!(client.end().await.is_err());
    proxy.sees(&["response_flags=\"DC\""]).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_web_socket_in_plaintext_ends_with_it() {
    let proxy = started(Setup::inbound()).await;
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (mut client, mut server, _) = proxy.request(upgrade).await;
    server
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    client.head().await;
    take_mutual_tls_alone(&proxy).await;
    sleep(Duration::from_secs(40)).await;
    client.send("a").await;
    server.until("a").await;
    sleep(Duration::from_secs(10)).await;
    assert!(client.end().await.is_err());
    assert!(server.end().await.is_err());
    proxy.sees(&["response_flags=\"DC\""]).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_response_that_has_its_listener_goes_on() {
    let proxy = started(Setup::inbound()).await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(LONG_OK).await;
    client.until("abc").await;
    send(&proxy, tables(&proxy, 3)).await;
    sleep(Duration::from_secs(100)).await;
    server.send("def").await;
    client.until("def").await;
}
