//! The end of the process: nothing that has begun is lost.

use std::time::Duration;

use pillion::webhook::Limits;
use tokio::net::TcpStream;

use crate::{
    client::{Caller, Raw},
    server::{Server, review, soon},
};

#[tokio::test]
async fn ends_at_once_when_nothing_is_in_flight() {
    let server = Server::start().await;
    server.stop.cancel();
    server.ended().await;
}

#[tokio::test]
async fn closes_idle_connections() {
    let server = Server::start().await;
    let mut caller = Caller::http1(&server).await;
    caller
        .post("/inject", review().to_string())
        .await
        .assert_injected();
    let idle = Raw::open(&server).await;
    server.stop.cancel();
    assert_eq!(idle.closed().await, "");
    server.ended().await;
}

#[tokio::test]
async fn answers_a_review_that_is_in_flight() {
    let server = Server::start().await;
    let body = review().to_string();
    let mut caller = Raw::open(&server).await;
    caller.send_head(body.len()).await;
    server.until_in_flight(1).await;

    server.stop.cancel();
    soon("the port to be closed", async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;

    caller.send(&body).await;
    let answer = caller.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("JSONPatch"), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("connection: close"),
        "{answer}"
    );
    server.ended().await;
}

#[tokio::test]
async fn answers_http2_streams_that_are_in_flight() {
    let server = Server::start().await;
    let mut caller = Caller::http2(&server).await;
    caller
        .post("/inject", review().to_string())
        .await
        .assert_injected();
    let Caller::Http2(sender) = &caller else {
        unreachable!()
    };
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut caller = Caller::Http2(sender.clone());
        streams.push(tokio::spawn(async move {
            caller
                .post("/inject", review().to_string())
                .await
                .assert_injected();
        }));
    }
    for stream in streams {
        stream.await.unwrap();
    }
    server.stop.cancel();
    server.ended().await;
}

#[tokio::test]
async fn cuts_a_review_that_does_not_end_in_time() {
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let mut caller = Raw::open(&server).await;
    caller.send_head(1000).await;
    server.until_in_flight(1).await;
    server.stop.cancel();
    server.ended().await;
    assert_eq!(caller.closed().await, "");
}

#[tokio::test]
async fn sends_callers_away_before_it_stops() {
    let server = Server::start().await;
    let body = review().to_string();
    let mut caller = Raw::open(&server).await;
    caller.send_head(body.len()).await;
    caller.send(&body).await;
    let answer = caller.answer().await.to_ascii_lowercase();
    assert!(!answer.contains("connection: close"), "{answer}");

    server.readiness.drain();
    caller.send_head(body.len()).await;
    caller.send(&body).await;
    let answer = caller.answer().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(caller.closed().await, "");
    // Whoever comes anew is still served.
    Caller::http1(&server)
        .await
        .post("/inject", body)
        .await
        .assert_injected();
}
