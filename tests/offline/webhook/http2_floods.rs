//! HTTP/2 connections that send much and ask for little, and those that ask for
//! nothing that could be answered.

use std::iter;

use hyper::{Method, StatusCode};
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    client::{BOTH, Caller, post, tls},
    server::{Server, review, soon},
};

/// Far more than any connection may send in the time of a test.
const FLOOD: u32 = 4096;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PRIORITY: u8 = 0x2;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields of a review's request, in HPACK without any compression.
fn post_fields() -> Vec<u8> {
    let mut fields = vec![0x83, 0x87]; // :method POST, :scheme https
    let literals: [(&[u8], &str); 3] = [
        (&[0x04], "/inject"),                // :path
        (&[0x01], "127.0.0.1"),              // :authority
        (&[0x0f, 0x10], "application/json"), // content-type
    ];
    for (name, value) in literals {
        fields.extend(name);
        fields.push(u8::try_from(value.len()).unwrap());
        fields.extend(value.as_bytes());
    }
    fields
}

/// The fields of a request that there is nothing for.
const GET_FIELDS: [u8; 3] = [0x82, 0x87, 0x84];

/// The streams that a client opens, one after the other.
fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// Sends all that on a connection of its own, and waits until that is closed.
async fn send_until_closed(server: &Server, bytes: &[u8]) {
    let stream = tls(server, &["h2"], BOTH).await;
    let (mut from_server, mut to_server) = io::split(stream);
    let send = async {
        // It may be closed before all is sent.
        let _ = to_server.write_all(bytes).await;
        let _ = to_server.flush().await;
        std::future::pending::<()>().await;
    };
    let closed = async {
        let mut answer = Vec::new();
        let _ = from_server.read_to_end(&mut answer).await;
    };
    soon("the connection's end", async {
        tokio::select! {
            () = send => {}
            () = closed => {}
        }
    })
    .await;
}

/// That such a connection is closed, and counted as a flood of these frames, and
/// that another caller is served.
async fn assert_flood(kind: &str, frames: impl IntoIterator<Item = Vec<u8>>) {
    let server = Server::start().await;
    let mut other = Caller::http2(&server).await;
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, ""));
    bytes.extend(frames.into_iter().flatten());
    send_until_closed(&server, &bytes).await;
    server
        .until_metric(&format!(
            "pillion_webhook_http2_floods_total{{frame=\"{kind}\"}} 1"
        ))
        .await;
    server.until_metric("pillion_webhook_connections 1").await;
    let answer = other.post("/inject", review().to_string()).await;
    answer.assert_injected();
}

fn repeated(frame: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    (0..FLOOD).map(move |_| frame.clone())
}

#[tokio::test]
async fn closes_a_flood_of_pings() {
    assert_flood("ping", repeated(frame(PING, 0, 0, [7; 8]))).await;
}

#[tokio::test]
async fn closes_a_flood_of_answers_to_pings_that_were_never_sent() {
    assert_flood("ping", repeated(frame(PING, ACK, 0, [7; 8]))).await;
}

#[tokio::test]
async fn closes_a_flood_of_settings() {
    assert_flood("settings", repeated(frame(SETTINGS, 0, 0, ""))).await;
}

#[tokio::test]
async fn closes_a_flood_of_settings_that_change_the_window_of_all_streams() {
    let open = streams()
        .take(64)
        .map(|stream| frame(HEADERS, END_HEADERS, stream, post_fields()));
    let change = (0..FLOOD).map(|count| {
        let mut setting = vec![0x00, 0x04]; // INITIAL_WINDOW_SIZE
        setting.extend((1000 + count).to_be_bytes());
        frame(SETTINGS, 0, 0, setting)
    });
    assert_flood("settings", open.chain(change)).await;
}

#[tokio::test]
async fn closes_a_flood_of_priorities() {
    let on_nothing = [0, 0, 0, 0, 16];
    assert_flood("priority", repeated(frame(PRIORITY, 0, 1, on_nothing))).await;
}

#[tokio::test]
async fn closes_a_flood_of_window_updates() {
    let by_one = 1_u32.to_be_bytes();
    assert_flood(
        "window_update",
        repeated(frame(WINDOW_UPDATE, 0, 0, by_one)),
    )
    .await;
}

#[tokio::test]
async fn closes_a_flood_of_frames_of_an_unknown_type() {
    assert_flood("other", repeated(frame(0xfa, 0, 0, "x"))).await;
}

#[tokio::test]
async fn closes_a_flood_of_long_frames_of_an_unknown_type() {
    let long = frame(0xfa, 0, 0, vec![0; 16 * 1024]);
    assert_flood("other", repeated(long).take(256)).await;
}

#[tokio::test]
async fn closes_a_flood_of_empty_data() {
    let open = frame(HEADERS, END_HEADERS, 1, post_fields());
    let flood = repeated(frame(DATA, 0, 1, ""));
    assert_flood("data", iter::once(open).chain(flood)).await;
}

#[tokio::test]
async fn closes_a_flood_of_data_byte_by_byte() {
    let open = frame(HEADERS, END_HEADERS, 1, post_fields());
    let flood = repeated(frame(DATA, 0, 1, " "));
    assert_flood("data", iter::once(open).chain(flood)).await;
}

#[tokio::test]
async fn closes_a_flood_of_data_for_a_request_that_is_answered() {
    let open = frame(HEADERS, END_HEADERS, 1, GET_FIELDS);
    let flood = repeated(frame(DATA, 0, 1, "x"));
    assert_flood("data", iter::once(open).chain(flood)).await;
}

#[tokio::test]
async fn closes_a_flood_of_requests_that_are_reset_at_once() {
    let cancel = 8_u32.to_be_bytes();
    let flood = streams().take(2048).map(|stream| {
        let mut pair = frame(HEADERS, END_HEADERS, stream, post_fields());
        pair.extend(frame(RST_STREAM, 0, stream, cancel));
        pair
    });
    assert_flood("rst_stream", flood).await;
}

#[tokio::test]
async fn closes_a_flood_of_requests_that_are_answered_with_errors() {
    let flood = streams()
        .take(2048)
        .map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, GET_FIELDS));
    assert_flood("headers", flood).await;
}

#[tokio::test]
async fn closes_a_head_that_does_not_come_to_its_end() {
    let open = frame(HEADERS, 0, 1, GET_FIELDS);
    let flood = repeated(frame(CONTINUATION, 0, 1, ""));
    assert_flood("continuation", iter::once(open).chain(flood)).await;
}

#[tokio::test]
async fn closes_a_flood_of_heads_in_many_parts() {
    let flood = streams().take(1024).flat_map(|stream| {
        let part = frame(CONTINUATION, 0, stream, "");
        [
            frame(HEADERS, END_STREAM, stream, GET_FIELDS),
            part.clone(),
            part,
            frame(CONTINUATION, END_HEADERS, stream, ""),
        ]
    });
    assert_flood("continuation", flood).await;
}

/// One byte stands for four kilobytes of the table.
#[tokio::test]
async fn closes_a_head_that_unpacks_to_megabytes() {
    let mut large = GET_FIELDS.to_vec();
    large.extend([0x40, 0x01, b'x']); // a field to remember, by the name of x
    large.extend([0x7f, 0xa1, 0x1e]); // 127 + 3,873 bytes
    large.extend([b'a'; 4000]);
    let mut bomb = GET_FIELDS.to_vec();
    bomb.resize(16 * 1024, 0xbe); // the field remembered last
    let frames = [
        frame(HEADERS, END_HEADERS | END_STREAM, 1, large),
        frame(HEADERS, END_HEADERS | END_STREAM, 3, bomb),
    ];
    assert_flood("headers", frames).await;
}

/// A window that opens byte by byte, so that an answer goes out in as many frames.
#[tokio::test]
async fn closes_a_flood_of_windows_that_hardly_open() {
    let shut = [0x00, 0x04, 0, 0, 0, 0]; // INITIAL_WINDOW_SIZE
    let open = [
        frame(SETTINGS, 0, 0, shut),
        frame(HEADERS, END_HEADERS, 1, post_fields()),
        frame(DATA, END_STREAM, 1, review().to_string()),
    ];
    let by_one = 1_u32.to_be_bytes();
    let flood = repeated(frame(WINDOW_UPDATE, 0, 1, by_one));
    assert_flood("window_update", open.into_iter().chain(flood)).await;
}

#[tokio::test]
async fn keeps_a_connection_whose_reviews_are_answered() {
    let server = Server::start().await;
    let mut caller = Caller::http2(&server).await;
    for _ in 0..600 {
        let answer = caller.post("/inject", review().to_string()).await;
        answer.assert_injected();
    }
    server.until_metric("pillion_webhook_connections 1").await;
}

#[tokio::test]
async fn ends_an_http1_connection_without_reviews() {
    let server = Server::start().await;
    let mut caller = Caller::http1(&server).await;
    for left in (0..100).rev() {
        let answer = caller.post("/elsewhere", "{}").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let closes = answer.headers.get("connection");
        assert_eq!(closes.is_some_and(|value| value == "close"), left == 0);
    }
    server
        .until_metric("pillion_webhook_useless_connections_total 1")
        .await;
    server.until_metric("pillion_webhook_connections 0").await;
}

/// Every request that is sent before the GOAWAY comes is answered.
#[tokio::test]
async fn ends_an_http2_connection_without_reviews() {
    let server = Server::start().await;
    let Caller::Http2(mut caller) = Caller::http2(&server).await else {
        unreachable!()
    };
    let mut answered = 0;
    while soon("a free stream", caller.ready()).await.is_ok() {
        let mut request = post("/inject", "application/json", "");
        *request.method_mut() = Method::GET;
        match soon("an answer", caller.send_request(request)).await {
            Ok(answer) => assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED),
            Err(error) => assert!(error.is_canceled(), "{error}"),
        }
        answered += 1;
        assert!(answered <= 200, "it is still open");
    }
    assert!(answered >= 100, "{answered}");
    server
        .until_metric("pillion_webhook_useless_connections_total 1")
        .await;
    server.until_metric("pillion_webhook_connections 0").await;
}

#[tokio::test]
async fn keeps_a_connection_on_which_a_review_comes_now_and_then() {
    let server = Server::start().await;
    let mut caller = Caller::http1(&server).await;
    for _ in 0..3 {
        for _ in 0..99 {
            let answer = caller.post("/elsewhere", "{}").await;
            assert!(!answer.headers.contains_key("connection"));
        }
        let answer = caller.post("/inject", review().to_string()).await;
        answer.assert_injected();
    }
}
