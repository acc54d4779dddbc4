//! What responses say of spans, and spans of responses.

use super::*;
use crate::tables::{ClusterStates, EndpointSource};

#[tokio::test(flavor = "local")]
async fn a_server_says_what_it_calls_a_request_and_a_client_takes_that() {
    let inbound = Setup::inbound()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut client, mut server, _) = inbound.request(text).await;
    server.send(OK).await;
    let response = client.head().await;
    assert_eq!(
        field(&response, "x-envoy-decorator-operation"),
        Some(OPERATION)
    );
    let outbound = Setup::default()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let (mut client, mut server, _) = outbound.request(text).await;
    server
        .send("HTTP/1.1 204 No Content\r\nX-Envoy-Decorator-Operation: of the server\r\n\r\n")
        .await;
    let response = client.head().await;
    assert_eq!(field(&response, "x-envoy-decorator-operation"), None);
    outbound.sees(&["istio_requests_total"]).await;
    assert_eq!(spans(&outbound).await[0]["name"], "of the server");
}

#[tokio::test(flavor = "local")]
async fn what_a_server_calls_a_request_reaches_no_application() {
    let mut unwanted = tracing(Propagation::B3);
    unwanted.sampling.random = 0;
    for traced in [tracing(Propagation::B3), unwanted] {
        let proxy = Setup::default().start_tracing(traced).await;
        let response =
            "HTTP/1.1 204 No Content\r\nX-Envoy-Decorator-Operation: of the server\r\n\r\n";
        let (_, answer) = exchange(&proxy, GET, response).await;
        assert_eq!(field(&answer, "x-envoy-decorator-operation"), None);
    }
}

#[tokio::test(flavor = "local")]
async fn the_proxy_s_own_answers_leave_spans() {
    let proxy = Setup::default()
        .start_with(|_| {
            let http = traced(Hosts::default(), tracing(Propagation::B3));
            with_http(http, [])
        })
        .await;
    let mut client = proxy.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: nowhere\r\nConnection: close\r\n\r\n")
        .await;
    client.end().await.unwrap();
    let only = &spans(&proxy).await[0];
    assert_eq!(only["name"], "nowhere");
    assert_eq!(only["tags"]["http.status_code"], "404");
    assert_eq!(only["tags"]["response_flags"], "NR");
    assert_eq!(only["tags"].get("error"), None);
    assert_eq!(only["tags"].get("upstream_cluster"), None);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_that_waits_for_tables_in_vain_leaves_a_span() {
    let proxy = Setup::default()
        .start_with(|_| {
            let http = traced(hosts(), tracing(Propagation::B3));
            let settings = ClusterSettings::new("reviews");
            let waiting = ClusterStates::default().build(settings, EndpointSource::Waiting);
            with_http(http, [waiting])
        })
        .await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    proxy.sees(&["istio_requests_total"]).await;
    let only = &spans(&proxy).await[0];
    assert_eq!(only["tags"]["error"], "true");
    assert_eq!(only["tags"]["http.status_code"], "503");
    assert_eq!(only["tags"]["response_flags"], "NC");
}

#[tokio::test(flavor = "local")]
async fn a_server_that_breaks_off_leaves_an_error() {
    let proxy = Setup::default()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let (mut client, server, _) = proxy.request(text).await;
    drop(server);
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    proxy.sees(&["istio_requests_total"]).await;
    let only = &spans(&proxy).await[0];
    assert_eq!(only["tags"]["error"], "true");
    assert_eq!(only["tags"]["http.status_code"], "503");
    assert_eq!(only["tags"]["response_flags"], "UC");
}

#[tokio::test(flavor = "local")]
async fn a_call_of_grpc_that_fails_says_why_in_its_span() {
    let proxy = Setup::default()
        .start_tracing(tracing(Propagation::B3))
        .await;
    let text = "POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n\
                gRPC-Timeout: 1S\r\nContent-Length: 0\r\n\r\n";
    let (mut client, mut server, _) = proxy.request(text).await;
    server
        .send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTrailer: grpc-status\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 13\r\ngrpc-message: oh\r\n\r\n",
        )
        .await;
    client.until("grpc-message: oh\r\n\r\n").await;
    proxy.sees(&["istio_requests_total"]).await;
    let tags = &spans(&proxy).await[0]["tags"];
    for (name, value) in [
        ("error", "true"),
        ("grpc.authority", "a"),
        ("grpc.content_type", "application/grpc"),
        ("grpc.message", "oh"),
        ("grpc.path", "/a.B/C"),
        ("grpc.status_code", "13"),
        ("grpc.timeout", "1S"),
        ("http.status_code", "200"),
    ] {
        assert_eq!(tags[name], value, "{name}");
    }
}
