//! Which way requests go, and what routes change of them.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{task::yield_now, time::timeout};

use super::harness::{Peer, Setup, cluster, routing, with_hosts};
use crate::tables::{
    Action, ClusterChoice, ClusterSettings, ClusterStates, DirectResponse, EditAction,
    EndpointSource, Forward, HeaderEdits, HeaderLevels, HeaderMatch, HeaderTest, Hosts, PathMatch,
    PathRewrite, Redirect, RedirectPath, Route, RouteMatch, Service, TextMatch, WeightedCluster,
    WeightedClusters,
};

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: reviews:9080\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn to(name: &str) -> Action {
    Action::Forward(Forward::to(name))
}

fn any(action: Action) -> Route {
    Route::new("test", RouteMatch::any(), action)
}

fn writing(name: &str, value: &str) -> HeaderLevels {
    let mut edits = HeaderEdits::default();
    edits.write(name, value, EditAction::Append).unwrap();
    HeaderLevels::new([Arc::new(edits)])
}

#[tokio::test(flavor = "local")]
async fn the_first_route_that_matches_decides() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let for_jason = other.local_addr().unwrap();
    let proxy = Setup::default()
        .start_with(|server| {
            let mut jason = RouteMatch::any();
            let is_jason = HeaderTest::Text(TextMatch::exact("jason"));
            jason.headers.push(HeaderMatch::new("end-user", is_jason));
            let routes = [Route::new("jason", jason, to("v2")), any(to("v1"))];
            let v1 = cluster(ClusterSettings::new("v1"), &[server]);
            routing(
                routes,
                [v1, cluster(ClusterSettings::new("v2"), &[for_jason])],
            )
        })
        .await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(OK).await;
    client.head().await;
    let jason = "GET / HTTP/1.1\r\nHost: a\r\nEnd-User: jason\r\n\r\n";
    client.send(jason).await;
    let mut server = Peer::accept(&other).await;
    assert!(server.head().await.contains("end-user: jason"));
}

#[tokio::test(flavor = "local")]
async fn a_cluster_that_there_is_not_is_a_503() {
    let proxy = Setup::default()
        .start_with(|_| routing([any(to("outbound|9080|v9|reviews"))], []))
        .await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    let response = client.until("with the subset?\n").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("outbound|9080|v9|reviews"), "{response}");
    let labels = ["response_code=\"503\"", "response_flags=\"NC\""];
    proxy.sees(&labels).await;
}

#[tokio::test(flavor = "local")]
async fn a_cluster_without_endpoints_is_a_503() {
    let proxy = Setup::default()
        .start_with(|_| routing([any(to("v1"))], [cluster(ClusterSettings::new("v1"), &[])]))
        .await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    let response = client.until("are they ready?\n").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    let labels = ["response_code=\"503\"", "response_flags=\"UH\""];
    proxy.sees(&labels).await;
}

#[tokio::test(flavor = "local")]
async fn no_route_is_a_404() {
    let only = RouteMatch::path(PathMatch::Exact("/only".to_owned()));
    let proxy = Setup::default()
        .start_with(|_| routing([Route::new("only", only, to("v1"))], []))
        .await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
    proxy.sees(&["response_flags=\"NR\""]).await;
}

#[tokio::test(flavor = "local")]
async fn a_redirect_says_where_to_go() {
    let redirect = Redirect {
        status: StatusCode::MOVED_PERMANENTLY,
        scheme: Some(crate::message::Scheme::Https),
        host: None,
        port: None,
        path: RedirectPath::Same,
        strips_query: false,
    };
    let mut route = any(Action::Redirect(redirect));
    route.response_headers = writing("x-by", "route");
    let proxy = Setup::default().start_with(|_| routing([route], [])).await;
    let mut client = proxy.connect().await;
    client
        .send("GET /a?b HTTP/1.1\r\nHost: a.com\r\n\r\n")
        .await;
    let response = client.head().await;
    assert!(response.starts_with("HTTP/1.1 301 "), "{response}");
    for line in [
        "location: https://a.com/a?b\r\n",
        "content-length: 0",
        "x-by: route",
    ] {
        assert!(response.contains(line), "{line}: {response}");
    }
    // The connection is good for another request.
    client.send(GET).await;
    client.head().await;
}

#[tokio::test(flavor = "local")]
async fn a_direct_response_has_the_route_s_body() {
    let respond = |status, body: &str| {
        Action::Respond(DirectResponse {
            status,
            body: Arc::from(body.as_bytes()),
        })
    };
    let teapot = respond(StatusCode::IM_A_TEAPOT, "short and stout");
    let route = Route::new(
        "pot",
        RouteMatch::path(PathMatch::Prefix("/pot".into())),
        teapot,
    );
    let blocked = respond(StatusCode::BAD_GATEWAY, "");
    let block_all = Route::new("block_all", RouteMatch::any(), blocked);
    let proxy = Setup::default()
        .start_with(|_| routing([route, block_all], []))
        .await;
    let mut client = proxy.connect().await;
    client.send("GET /pot HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let response = client.until("short and stout").await;
    assert!(response.starts_with("HTTP/1.1 418 "), "{response}");
    assert!(response.contains("content-type: text/plain"), "{response}");
    client.send("HEAD /pot HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.head().await.contains("content-length: 15"));
    client.send(GET).await;
    let response = client.until("REGISTRY_ONLY\n").await;
    assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
}

#[tokio::test(flavor = "local")]
async fn fields_change_on_both_ways_the_special_level_first() {
    let mut weighted = WeightedCluster::new("v1", 1);
    weighted.request_headers = writing("x-level", "weight");
    weighted.response_headers = writing("x-level", "weight");
    weighted.host_rewrite = Some(b"ratings"[..].into());
    let mut forward = Forward::to("v1");
    let clusters = WeightedClusters::new(vec![weighted]).unwrap();
    forward.clusters = ClusterChoice::Weighted(clusters);
    let mut route = any(Action::Forward(forward));
    route.request_headers = writing("x-level", "route");
    let mut edits = HeaderEdits::default();
    edits.write("x-level", "route", EditAction::Append).unwrap();
    edits.remove("x-envoy-upstream-service-time").unwrap();
    edits.write("server", "mine", EditAction::Set).unwrap();
    route.response_headers = HeaderLevels::new([Arc::new(edits)]);
    let proxy = Setup::default()
        .start_with(|server| routing([route], [cluster(ClusterSettings::new("v1"), &[server])]))
        .await;
    let (mut client, mut server, request) = proxy.request(GET).await;
    assert!(request.contains("host: ratings\r\n"), "{request}");
    let both = "x-level: weight\r\nx-level: route\r\n";
    assert!(request.contains(both), "{request}");
    server.send(OK).await;
    let response = client.head().await;
    assert!(response.contains(both), "{response}");
    assert!(!response.contains("service-time"), "{response}");
    // As in Envoy, this is the connection's, not the route's.
    assert!(response.contains("server: envoy\r\n"), "{response}");
}

#[tokio::test(flavor = "local")]
async fn path_and_host_are_rewritten() {
    let mut forward = Forward::to("v1");
    forward.path_rewrite = Some(PathRewrite::Matched(b"/v2/"[..].into()));
    forward.host_rewrite = Some(b"ratings:1234"[..].into());
    let matches = RouteMatch::path(PathMatch::Prefix("/api/".to_owned()));
    let route = Route::new("test", matches, Action::Forward(forward));
    let proxy = Setup::default()
        .start_with(|server| routing([route], [cluster(ClusterSettings::new("v1"), &[server])]))
        .await;
    let get = "GET /api/a?b HTTP/1.1\r\nHost: reviews\r\n\r\n";
    let (_client, _server, request) = proxy.request(get).await;
    let line = "GET /v2/a?b HTTP/1.1\r\nhost: ratings:1234\r\n";
    assert!(request.starts_with(line), "{request}");
    let original = "x-envoy-original-path: /api/a?b\r\n";
    assert!(request.contains(original), "{request}");
}

#[tokio::test(flavor = "local")]
async fn metrics_name_the_service_of_the_cluster() {
    let mut settings = ClusterSettings::new("outbound|80||www.example.com");
    settings.service = Some(Service {
        host: Arc::from("www.example.com"),
        name: Arc::from("example"),
        namespace: Arc::from("shop"),
    });
    let proxy = Setup::default()
        .start_with(|server| {
            let cluster = cluster(settings, &[server]);
            routing([any(to(cluster.name()))], [cluster])
        })
        .await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(OK).await;
    client.head().await;
    let labels = [
        "destination_service=\"www.example.com\"",
        "destination_service_name=\"example\"",
        "destination_service_namespace=\"shop\"",
    ];
    proxy.sees(&labels).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_waits_for_tables_that_are_on_their_way() {
    let proxy = Setup::default()
        .start_with(|_| with_hosts(Hosts::waiting(), []))
        .await;
    let server = proxy.server.local_addr().unwrap();
    let mut client = proxy.connect().await;
    client.send(GET).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let v1 = cluster(ClusterSettings::new("v1"), &[server]);
    let mut newer = routing([any(to("v1"))], [v1]);
    newer.generation = 2;
    proxy.tables.borrow_mut().publish(newer);
    assert!(proxy.accept().await.head().await.starts_with("GET /a?b "));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_request_that_waits_for_its_cluster_does_not_take_another() {
    // Whichever of the two a request draws, the other one is never asked.
    let weighted = |known: &'static str, address| {
        let clusters = ["v1", "v2"].map(|name| WeightedCluster::new(name, 1));
        let mut forward = Forward::to("v1");
        let clusters = WeightedClusters::new(clusters.to_vec()).unwrap();
        forward.clusters = ClusterChoice::Weighted(clusters);
        let clusters = ["v1", "v2"].map(|name| match name == known {
            true => cluster(ClusterSettings::new(name), &[address]),
            false => {
                ClusterStates::default().build(ClusterSettings::new(name), EndpointSource::Waiting)
            }
        });
        routing([any(Action::Forward(forward))], clusters)
    };
    let proxy = Setup::default()
        .start_with(|server| weighted("v1", server))
        .await;
    let server = proxy.server.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut client = proxy.connect().await;
        client.send(GET).await;
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut waiting = 30;
    while let Ok(Ok(_)) = timeout(Duration::from_secs(1), proxy.server.accept()).await {
        waiting -= 1;
    }
    assert!((1..30).contains(&waiting), "{waiting}");
    for generation in 2..20 {
        let mut newer = weighted("v1", server);
        newer.generation = generation;
        proxy.tables.borrow_mut().publish(newer);
        yield_now().await;
    }
    let late = timeout(Duration::from_secs(1), proxy.server.accept()).await;
    assert!(late.is_err(), "a request has drawn again");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn who_waits_in_vain_is_told_for_whom() {
    let proxy = Setup::default()
        .start_with(|_| {
            let mut tables = with_hosts(Hosts::waiting(), []);
            tables.server = Arc::from("discovery:15012");
            tables
        })
        .await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    let response = client.until("from this pod?\n").await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(
        response.contains("at discovery:15012 has not said"),
        "{response}"
    );
    assert!(response.contains("10.0.0.1:9080"), "{response}");
}

#[tokio::test(flavor = "local")]
async fn connections_to_the_application_come_from_an_address_of_their_own() {
    let proxy = Setup::inbound().start().await;
    let (_client, server, _) = proxy.request(GET).await;
    let from = server.stream.peer_addr().unwrap().ip();
    assert_eq!(from.to_string(), "127.0.0.6");
}
