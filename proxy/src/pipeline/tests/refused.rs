//! Each reason for which messages of HTTP/1 are refused: what is refused for it, that it is counted, and
//! that `docs/sidecar.md` explains it.

mod cases;

use std::{collections::BTreeSet, fs, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::{task::spawn_local, time::sleep};

use self::cases::{requests, responses};
use super::{
    harness::{Proxy, Setup},
    tunnels,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Reasons that have a test of their own below.
const OTHER_REQUESTS: [&str; 3] = [
    "low_version",
    "not_carried_by_http2",
    "request_header_timeout",
];
const OTHER_RESPONSES: [&str; 4] = [
    "body_length_mismatch",
    "bytes_behind_response",
    "bytes_on_idle_connection",
    "not_carried_by_http2",
];

/// Waits until one message has been refused for that reason.
async fn sees(proxy: &Proxy, labels: &str, reason: &str) {
    let line = format!("pillion_http1_refused_total{{{labels},reason=\"{reason}\"}} 1");
    proxy.sees(&[&line]).await;
}

async fn sees_request(proxy: &Proxy, reason: &str) {
    sees(proxy, "reporter=\"source\",message=\"request\"", reason).await;
    proxy.sees(&["response_flags=\"DPE\""]).await;
}

async fn sees_response(proxy: &Proxy, reason: &str) {
    sees(proxy, "reporter=\"source\",message=\"response\"", reason).await;
}

#[tokio::test(flavor = "local")]
async fn requests_are_refused_and_counted_by_reason() {
    for (reason, request) in requests() {
        let proxy = Setup::default().start().await;
        let mut client = proxy.connect().await;
        client.send(&request).await;
        sees_request(&proxy, reason).await;
    }
}

#[tokio::test(flavor = "local")]
async fn responses_are_refused_and_counted_by_reason() {
    for (reason, response) in responses() {
        let proxy = Setup::default().start().await;
        let (_client, mut server, _) = proxy.request(GET).await;
        server.send(&response).await;
        sees_response(&proxy, reason).await;
        proxy.sees(&["response_flags=\"UPE\""]).await;
    }
}

#[tokio::test(flavor = "local")]
async fn http_1_0_is_refused_in_front_of_an_application() {
    let proxy = Setup::inbound().start().await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let labels = "reporter=\"destination\",message=\"request\"";
    sees(&proxy, labels, "low_version").await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_head_that_does_not_end_is_refused() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 408"));
    sees_request(&proxy, "request_header_timeout").await;
}

#[tokio::test(flavor = "local")]
async fn what_http2_has_no_place_for_is_refused() {
    let proxy = tunnels::up().start().await;
    let mut client = proxy.connect().await;
    let serve = async {
        let mut server = tunnels::server(&proxy).await;
        while server.accept().await.is_some() {}
    };
    let ask = async {
        client.send("GET / HTTP/1.1\r\nHost: a%41\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 400"));
        sees_request(&proxy, "not_carried_by_http2").await;
    };
    tokio::select! {
        () = serve => panic!("the connection has ended"),
        () = ask => {}
    }

    // A server that does not know of the upgrade would have its response taken for a tunnel.
    let proxy = tunnels::down().start().await;
    let (response, _stream) = tunnels::web_socket(&proxy).await;
    let mut server = proxy.accept().await;
    server.head().await;
    server.send(OK).await;
    assert_eq!(response.await.unwrap().status(), 502);
    sees_response(&proxy, "not_carried_by_http2").await;
}

#[tokio::test(flavor = "local")]
async fn a_response_of_http2_is_as_long_as_its_head_says() {
    let proxy = tunnels::up().start().await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    let mut server = tunnels::server(&proxy).await;
    let (_, mut respond) = server.accept().await.unwrap().unwrap();
    spawn_local(async move { while server.accept().await.is_some() {} });
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let mut body = respond.send_response(response, false).unwrap();
    body.send_data(Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"), true)
        .unwrap();
    let received = client.end().await;
    let is_forged = |text: &String| text.contains("200 OK");
    assert!(!received.as_ref().is_ok_and(is_forged), "{received:?}");
    sees_response(&proxy, "body_length_mismatch").await;
}

#[tokio::test(flavor = "local")]
async fn bytes_that_nobody_asked_for_are_counted() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(&[OK, OK].concat()).await;
    client.head().await;
    sees_response(&proxy, "bytes_behind_response").await;

    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send(OK).await;
    client.head().await;
    server
        .send("HTTP/1.1 408 Too Late\r\ncontent-length: 0\r\n\r\n")
        .await;
    // Until the proxy has got it.
    sleep(Duration::from_millis(20)).await;
    client.send(GET).await;
    let mut other = proxy.accept().await;
    other.head().await;
    other.send(OK).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    sees_response(&proxy, "bytes_on_idle_connection").await;
}

/// The labels in the source, in which each has a line of its own.
fn labels() -> BTreeSet<&'static str> {
    let source = include_str!("../../http1/refusal.rs");
    let arms = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::"));
    let labels = arms.filter_map(|arm| arm.split_once(" => \"")?.1.strip_suffix("\","));
    // A connection that ends within a body is one that has ended: `UC`, `DC`.
    labels.filter(|label| *label != "truncated").collect()
}

/// The reasons of `docs/sidecar.md` that are for requests, or for responses.
fn documented(message: &str) -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sidecar.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", reason, of, why, ""] => Some((reason, of, why)),
            _ => None,
        }
    });
    let rows = rows.filter(|(_, of, why)| [message, "both"].contains(of) && !why.is_empty());
    let reasons = rows.map(|(reason, _, _)| reason.trim_matches('`').to_owned());
    reasons.collect()
}

#[test]
fn each_reason_has_a_test_and_a_line_in_the_documentation() {
    let of = |cases: Vec<(&'static str, String)>, others: &[&'static str]| {
        let reasons = cases.into_iter().map(|(reason, _)| reason);
        reasons
            .chain(others.iter().copied())
            .collect::<BTreeSet<_>>()
    };
    let requests = of(requests(), &OTHER_REQUESTS);
    let responses = of(responses(), &OTHER_RESPONSES);
    let labels = labels();
    assert!(labels.len() > 30, "{labels:?}");
    let untested: Vec<_> = labels
        .iter()
        .filter(|label| !requests.contains(*label) && !responses.contains(*label))
        .collect();
    assert!(untested.is_empty(), "no test refuses for {untested:?}");
    for (message, tested) in [("request", requests), ("response", responses)] {
        let tested: BTreeSet<_> = tested.into_iter().map(str::to_owned).collect();
        assert_eq!(
            documented(message),
            tested,
            "{message}: docs/sidecar.md, and the tests"
        );
    }
}
