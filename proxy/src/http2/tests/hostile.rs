//! Peers that break the rules.

use std::future::poll_fn;

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response, StatusCode};
use pillion_serve::Frame;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
};

use super::support::*;
use crate::{
    http2::{End, ServerStream, Setup},
    message::{BodySize, Broken, RequestHead},
    metrics::Peer,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

async fn answer(_head: RequestHead, mut stream: ServerStream) {
    stream.start(&response_head(BodySize::Empty)).unwrap();
}

/// Reads a body that breaks off, and says why it did.
async fn report_broken(sender: mpsc::Sender<Broken>, mut stream: ServerStream) {
    let why = read_all(&mut stream).await.unwrap_err();
    sender.send(why).await.unwrap();
}

#[tokio::test]
async fn malformed_heads_are_reset_and_counted() {
    let setup = Setup::default();
    let (mut client, _served) = served(&setup, answer).await;
    let bad = [
        Request::get("http://a/").header("host", "b"),
        Request::get("http://a/").header("x", " b"),
        Request::get("http://u@a/"),
        Request::get("http://a/").header("content-length", "0, 0"),
    ];
    for request in bad {
        let request = request.body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let error = response.await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));
    }
    let metrics = &setup.metrics;
    for reason in [
        "host_is_not_authority",
        "space_around_value",
        "user_in_authority",
    ] {
        assert_eq!(metrics.refused_heads(reason), 1, "{reason}");
    }
    // The last one was refused by h2.
    let resets = metrics.errors_sent(Peer::Client, "rst_stream", "protocol_error");
    assert_eq!(resets, 4);
    let (response, _) = client.send_request(post("/"), true).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn too_many_fields_are_answered() {
    let setup = Setup::default();
    let (mut client, _served) = served(&setup, answer).await;
    let mut request = post("/");
    for _ in 0..101 {
        let value = http::HeaderValue::from_static("1");
        request.headers_mut().append("x", value);
    }
    let (response, _) = client.send_request(request, true).unwrap();
    let status = response.await.unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(setup.metrics.refused_heads("too_many_headers"), 1);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_answered() {
    let setup = Setup::default();
    let (mut client, _served) = served(&setup, answer).await;
    let resets = || {
        let metrics = &setup.metrics;
        metrics.errors_sent(Peer::Client, "rst_stream", "protocol_error")
    };
    // What is still to come after the head is not taken.
    for (ended, count) in [(true, 0), (false, 1)] {
        // h2's client knows our limit after our settings.
        let long = Request::get("http://a/").header("x", "a".repeat(61 * 1024));
        let (response, _body) = client.send_request(long.body(()).unwrap(), ended).unwrap();
        let status = response.await.unwrap().status();
        assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        settle().await;
        assert_eq!(resets(), count);
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_its_head_says_is_broken() {
    let (sender, mut receiver) = mpsc::channel(1);
    let handler = move |_head, stream| report_broken(sender.clone(), stream);
    let (mut client, _served) = served(&Setup::default(), handler).await;
    for body in [&b"ab"[..], b"abcd"] {
        let request = Request::post("http://a/").header("content-length", "3");
        let request = request.body(()).unwrap();
        let (_response, mut sending) = client.send_request(request, false).unwrap();
        settle().await;
        sending.send_data(Bytes::from_static(body), true).unwrap();
        let why = receiver.recv().await.unwrap();
        assert!(matches!(why, Broken::Protocol(_)), "{why:?}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_as_long_as_its_head_says_is_broken() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Empty)).unwrap();
    let (_request, mut respond) = server.accept().await.unwrap().unwrap();
    let response = Response::builder().header("content-length", "3");
    let mut sending = respond
        .send_response(response.body(()).unwrap(), false)
        .unwrap();
    sending.send_data(Bytes::from_static(b"ab"), true).unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    let broken = match poll_fn(|context| stream.poll_head(context)).await {
        Ok(_) => read_all(&mut stream).await.unwrap_err(),
        Err(broken) => broken,
    };
    assert!(matches!(broken, Broken::Protocol(_)), "{broken:?}");
}

#[tokio::test]
async fn trailers_with_framing_are_broken() {
    let (sender, mut receiver) = mpsc::channel(1);
    let handler = move |_head, stream| report_broken(sender.clone(), stream);
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let (_response, mut body) = client.send_request(post("/"), false).unwrap();
    body.send_trailers(headers("content-length", "3")).unwrap();
    let why = receiver.recv().await.unwrap();
    assert!(matches!(why, Broken::Protocol(_)), "{why:?}");
}

#[tokio::test]
async fn too_many_interim_responses_are_broken() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Empty)).unwrap();
    let (_request, mut respond) = server.accept().await.unwrap().unwrap();
    for _ in 0..1000 {
        let interim = Response::builder().status(103).body(()).unwrap();
        respond.send_informational(interim).unwrap();
    }
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    let mut seen = 0;
    let why = loop {
        match poll_fn(|context| stream.poll_head(context)).await {
            Ok(_) => seen += 1,
            Err(why) => break why,
        }
    };
    assert!(matches!(why, Broken::Protocol(_)), "{why:?}");
    assert_eq!(seen, 32);
}

/// Reads whatever comes, so that the other side can write.
fn discard(mut reader: tokio::io::ReadHalf<DuplexStream>) {
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
}

#[tokio::test]
async fn a_flood_ends_the_connection() {
    let (ours, theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), &Setup::default(), answer);
    let (reader, mut writer) = tokio::io::split(theirs);
    discard(reader);
    writer.write_all(PREFACE).await.unwrap();
    writer.write_all(SETTINGS).await.unwrap();
    for _ in 0..1_000_000 {
        if writer.write_all(PING).await.is_err() {
            break;
        }
    }
    assert_eq!(served.await.unwrap(), End::Flood(Frame::Ping));
}

#[tokio::test]
async fn resets_in_a_row_end_the_connection() {
    let (client, served) = served(
        &Setup::default(),
        |_head, mut stream: ServerStream| async move {
            poll_fn(|context| stream.poll_gone(context)).await;
        },
    )
    .await;
    for _ in 0..1_000_000 {
        let Ok(mut ready) = client.clone().ready().await else {
            break;
        };
        let Ok((_response, mut body)) = ready.send_request(post("/"), false) else {
            break;
        };
        tokio::task::yield_now().await;
        body.send_reset(Reason::CANCEL);
        tokio::task::yield_now().await;
    }
    let end = served.await.unwrap();
    assert!(matches!(end, End::Flood(_)), "{end:?}");
}

#[tokio::test]
async fn a_server_that_floods_loses_the_connection() {
    let (ours, theirs) = duplex(4096);
    let setup = Setup::default();
    let (mut connection, driver) = crate::http2::connect(ours, &setup).await.unwrap();
    let driver = tokio::spawn(driver);
    let (reader, mut writer) = tokio::io::split(theirs);
    discard(reader);
    writer.write_all(SETTINGS).await.unwrap();
    for _ in 0..1_000_000 {
        if writer.write_all(PING).await.is_err() {
            break;
        }
    }
    assert_eq!(driver.await.unwrap(), End::Flood(Frame::Ping));
    assert!(connection.is_gone());
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_not_waited_for() {
    let (ours, mut theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), &Setup::default(), answer);
    theirs.write_all(&PREFACE[..10]).await.unwrap();
    assert_eq!(served.await.unwrap(), End::Silent);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends() {
    let (mut client, served) = served(&Setup::default(), answer).await;
    let (response, _) = client.send_request(post("/"), true).unwrap();
    response.await.unwrap();
    assert_eq!(served.await.unwrap(), End::Idle);
    assert!(client.ready().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_that_does_not_answer_is_not_waited_for() {
    let (ours, mut theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), &Setup::default(), answer);
    theirs.write_all(PREFACE).await.unwrap();
    theirs.write_all(SETTINGS).await.unwrap();
    assert_eq!(served.await.unwrap(), End::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_client_that_does_not_answer() {
    let setup = Setup::default();
    let (ours, mut theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), &setup, answer);
    theirs.write_all(PREFACE).await.unwrap();
    theirs.write_all(SETTINGS).await.unwrap();
    settle().await;
    setup.drain.cancel();
    let before = tokio::time::Instant::now();
    assert_eq!(served.await.unwrap(), End::Closed);
    assert_eq!(before.elapsed(), setup.limits.goodbye);
}

#[tokio::test]
async fn what_is_not_http2_is_broken() {
    let (ours, mut theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), &Setup::default(), answer);
    theirs
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let end = served.await.unwrap();
    assert!(matches!(end, End::Broken(Broken::Protocol(_))), "{end:?}");
}
