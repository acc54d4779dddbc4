//! What a gateway does with requests from outside of the mesh.

use std::sync::Arc;

use super::harness::{Setup, cluster, with_hosts};
use crate::{
    pipeline::Edge,
    tables::{
        Action, ClusterSettings, ClusterStates, EndpointSource, Forward, Hosts, Route, RouteMatch,
        Snapshot, VirtualHost,
    },
};

#[tokio::test(flavor = "local")]
async fn a_gateway_tells_servers_what_it_knows_itself() {
    let proxy = Setup::gateway().start().await;
    let (mut client, mut server, request) = proxy
        .request(
            "GET /api/../a\\b?c HTTP/1.1\r\nHost: shop.example.com:8080\r\nX-Forwarded-For: 1.2.3.4\r\n\
             X-Forwarded-Proto: https\r\nX-Envoy-Retry-On: 5xx\r\nX-Request-Id: mine\r\n\r\n",
        )
        .await;
    assert!(request.starts_with("GET /a/b?c HTTP/1.1\r\n"), "{request}");
    for line in [
        "host: shop.example.com:8080\r\n",
        "x-forwarded-for: 1.2.3.4,127.0.0.1\r\n",
        "x-forwarded-proto: http\r\n",
        "x-envoy-external-address: 127.0.0.1\r\n",
        "x-envoy-attempt-count: 1\r\n",
        "x-request-id: ",
    ] {
        assert!(request.contains(line), "{line}: {request}");
    }
    for lie in ["mine", "retry-on"] {
        assert!(!request.contains(lie), "{lie}: {request}");
    }
    server
        .send("HTTP/1.1 204 No Content\r\nServer: mine\r\n\r\n")
        .await;
    let response = client.head().await;
    for line in ["server: istio-envoy\r\n", "x-envoy-upstream-service-time: "] {
        assert!(response.contains(line), "{line}: {response}");
    }
    let series = [
        "istio_requests_total",
        "reporter=\"source\"",
        "response_code=\"204\"",
    ];
    proxy.sees(&series).await;
}

#[tokio::test(flavor = "local")]
async fn a_gateway_keeps_the_request_id_where_it_is_told_to() {
    let edge = Edge {
        keeps_request_id: true,
        ..Edge::default()
    };
    let setup = Setup {
        edge: Some(edge),
        ..Setup::default()
    };
    let proxy = setup.start().await;
    let text = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n";
    let (_, _, request) = proxy.request(text).await;
    assert!(request.contains("x-request-id: mine\r\n"), "{request}");
}

#[tokio::test(flavor = "local")]
async fn a_gateway_refuses_paths_without_a_normal_form() {
    let proxy = Setup::gateway().start().await;
    let mut client = proxy.connect().await;
    client.send("GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

#[tokio::test(flavor = "local")]
async fn a_gateway_refuses_http10() {
    let proxy = Setup::gateway().start().await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.0 426 "), "{response}");
}

#[tokio::test(flavor = "local")]
async fn a_gateway_answers_for_the_hosts_that_it_knows() {
    let tables = |server| {
        let forward = Action::Forward(Forward::to("shop"));
        let route = Route::new("all", RouteMatch::any(), forward);
        let host = VirtualHost {
            routes: vec![Arc::new(route)],
            ..VirtualHost::default()
        };
        let mut hosts = Hosts::default();
        hosts.add("shop.example.com", Arc::new(host));
        with_hosts(hosts, [cluster(ClusterSettings::new("shop"), &[server])])
    };
    let proxy = Setup::gateway().start_with(tables).await;
    let known = "GET / HTTP/1.1\r\nHost: SHOP.example.com:8080\r\n\r\n";
    let (_client, _server, request) = proxy.request(known).await;
    assert!(
        request.contains("host: SHOP.example.com:8080\r\n"),
        "{request}"
    );
    let mut client = proxy.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n")
        .await;
    let answer = client.end().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("a Gateway has to name it"), "{answer}");
    let series = ["response_code=\"404\"", "response_flags=\"NR\""];
    proxy.sees(&series).await;
}

#[tokio::test(flavor = "local")]
async fn a_gateway_makes_no_tunnels() {
    let proxy = Setup::gateway().start().await;
    let mut client = proxy.connect().await;
    client
        .send("CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n")
        .await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
}

#[tokio::test(flavor = "local")]
async fn a_gateway_is_nobodys_original_destination() {
    let proxy = Setup::gateway()
        .start_with(|_| {
            let settings = ClusterSettings::new("passthrough");
            let source = EndpointSource::OriginalDestination;
            Snapshot::forwarding_all_to(ClusterStates::default().build(settings, source))
        })
        .await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let response = client.until("is for sidecars\n").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    let series = ["response_code=\"503\"", "response_flags=\"UH\""];
    proxy.sees(&series).await;
}
