//! The end of the process: nothing that has begun is lost.

use std::time::Duration;

use futures::{StreamExt as _, future::join_all, stream};
use http_body_util::StreamBody;
use hyper::{
    Request,
    body::{Bytes, Frame},
    header::CONTENT_TYPE,
};
use pillion::webhook::Limits;
use tokio::sync::watch;

use super::{
    client::{BOTH, Caller, Raw, read, tls},
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
    server.until_closed().await;

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
    const STREAMS: usize = 20;
    let server = Server::start().await;
    let (whole, unsent) = watch::channel(false);
    let caller = Caller::http2_with_late_bodies(&server).await;
    let streams = (0..STREAMS).map(|_| {
        let mut told = unsent.clone();
        let body = stream::once(async move {
            told.wait_for(|whole| *whole).await.unwrap();
            Ok(Frame::data(Bytes::from(review().to_string())))
        });
        caller.clone().send_request(
            Request::post("https://127.0.0.1/inject")
                .header(CONTENT_TYPE, "application/json")
                .body(StreamBody::new(body.boxed()))
                .unwrap(),
        )
    });
    let answers = tokio::spawn(join_all(streams));
    server.until_in_flight(STREAMS).await;

    server.stop.cancel();
    server.until_closed().await;
    whole.send(true).unwrap();
    for answer in soon("the answers", answers).await.unwrap() {
        read(answer.unwrap()).await.assert_injected();
    }
    drop(caller);
    server.ended().await;
}

#[tokio::test]
async fn waits_for_no_silent_connection() {
    let limits = Limits {
        drain: Duration::from_secs(3600),
        ..Limits::default()
    };
    let server = Server::limited(limits).await;
    let silent = Raw(tls(&server, &["h2"], BOTH).await);
    let mut half_a_head = Raw::open(&server).await;
    half_a_head.send("POST /inject HTTP/1.1\r\n").await;
    server.until_metric("pillion_webhook_connections 2").await;
    server.stop.cancel();
    server.ended().await;
    drop((silent, half_a_head));
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
