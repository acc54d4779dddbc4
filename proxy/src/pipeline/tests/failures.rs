//! What clients get when something breaks.

use h2::Reason;
use http::Request;

use super::{harness::Setup, http2};
use crate::net::socket::reset_when_dropped;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "local")]
async fn an_unreachable_server_is_a_503() {
    let mut proxy = Setup::default().start().await;
    proxy.server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = proxy.connect().await;
    client.send(GET).await;
    let response = client.until("this port, not on localhost only?\n").await;
    assert!(
        response.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{response}"
    );
    proxy
        .sees(&["response_code=\"503\"", "response_flags=\"UF\""])
        .await;
    // The connection is still good.
    client.send(GET).await;
    client.head().await;
}

#[tokio::test(flavor = "local")]
async fn a_server_that_closes_before_it_answers_is_a_503() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client.send(GET).await;
    proxy.accept().await.head().await;
    assert!(client.head().await.starts_with("HTTP/1.1 503 "));
    proxy
        .sees(&["response_code=\"503\"", "response_flags=\"UC\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_server_that_speaks_something_else_is_a_502() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server.send("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    proxy
        .sees(&["response_code=\"502\"", "response_flags=\"UPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_response_that_breaks_off_does_not_look_complete() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        .await;
    client.until("ok\r\n").await;
    drop(server);
    assert!(client.end().await.is_err());
    proxy
        .sees(&["response_code=\"200\"", "response_flags=\"UC\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn what_came_before_the_end_of_a_broken_response_reaches_the_client() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    // The proxy finds all of it at once.
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of it")
        .await;
    drop(server);
    client.until("half of it").await;
    assert!(client.end().await.is_err());
    proxy
        .sees(&["response_code=\"200\"", "response_flags=\"UC\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn what_came_before_the_end_of_a_broken_response_reaches_a_client_of_http2() {
    let proxy = Setup::http2_to_http1().start().await;
    let mut client = http2::client(&proxy).await;
    let request = Request::get("http://ratings/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let mut server = proxy.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of it")
        .await;
    drop(server);
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "half of it");
    let error = body.data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
}

#[tokio::test(flavor = "local")]
async fn a_client_that_goes_away_takes_its_request_with_it() {
    let proxy = Setup::default().start().await;
    let (client, mut server, _) = proxy.request(GET).await;
    reset_when_dropped(&client.stream);
    drop(client);
    let _ = server.end().await;
    proxy
        .sees(&["response_code=\"0\"", "response_flags=\"DC\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn what_is_not_a_request_is_a_400_and_the_end() {
    let proxy = Setup::default().start().await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    ] {
        let mut client = proxy.connect().await;
        client.send(request).await;
        let response = client.end().await.unwrap();
        assert!(
            response.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{request}: {response}"
        );
        assert!(response.contains("connection: close"), "{response}");
    }
    proxy
        .sees(&["response_code=\"400\"", "response_flags=\"DPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn a_bad_body_is_a_400_and_not_passed_on() {
    let proxy = Setup::default().start().await;
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
        .await;
    let response = client.end().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

#[tokio::test(flavor = "local")]
async fn a_bad_body_behind_the_beginning_of_the_response_gets_no_second_one() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy
        .request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nsome")
        .await;
    client.until("some").await;
    client.send("xyz\r\n").await;
    assert!(client.end().await.is_err(), "the connection is reset");
    proxy
        .sees(&["response_code=\"200\"", "response_flags=\"DPE\""])
        .await;
}

#[tokio::test(flavor = "local")]
async fn endless_interim_responses_are_a_502() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request(GET).await;
    server
        .send(&"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100))
        .await;
    client.until("HTTP/1.1 502 ").await;
}

#[tokio::test(flavor = "local")]
async fn what_is_not_a_request_behind_a_head_request_has_a_body_in_its_answer() {
    let proxy = Setup::default().start().await;
    let (mut client, mut server, _) = proxy.request("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        .await;
    client.head().await;
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    let response = client.end().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert!(!response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test(flavor = "local")]
async fn a_client_that_has_not_sent_its_body_hears_that_the_connection_ends() {
    let mut proxy = Setup::default().start().await;
    proxy.server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = proxy.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let response = client.end().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("connection: close"), "{response}");
}

#[tokio::test(flavor = "local")]
async fn a_failure_with_a_short_body_leaves_the_connection_good() {
    let mut proxy = Setup::default().start().await;
    proxy.server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = proxy.connect().await;
    for _ in 0..2 {
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
            .await;
        let head = client.head().await;
        assert!(!head.contains("connection"), "{head}");
        client.until("localhost only?\n").await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_refused_request_with_a_body_ends_the_connection_however_it_comes() {
    let head = "POST /%00 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    for body in ["", "bo", "body"] {
        let proxy = Setup::default().start().await;
        let mut client = proxy.connect().await;
        client.send(&format!("{head}{body}")).await;
        let response = client.end().await.unwrap();
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert!(response.contains("connection: close"), "{response}");
    }
}
