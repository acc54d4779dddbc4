//! Limits of h2 that we set.

use std::future::poll_fn;

use bytes::Bytes;
use pillion_grammar::frames::{
    END_HEADERS, PREFACE, frame,
    kind::{DATA, HEADERS, SETTINGS},
    literal,
};
use pillion_serve::Frame;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    sync::mpsc::unbounded_channel,
};

use super::support::*;
use crate::{
    http2::{End, ServerStream, Setup},
    message::{Broken, RequestHead},
    metrics::Peer,
};

const WINDOW_UPDATE: u8 = 8;

/// The head of a request whose body follows.
fn head(id: u32) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    let block = fields.map(|(name, value)| literal(name.as_bytes(), value.as_bytes()));
    one(HEADERS, END_HEADERS, id, &block.concat())
}

fn one(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(&mut bytes, kind, flags, id, payload);
    bytes
}

/// Keeps a stream, and takes nothing of its body.
async fn keep(_head: RequestHead, mut stream: ServerStream) {
    poll_fn(|context| stream.poll_reset(context)).await;
}

/// Sends pieces by number for as long as they are taken; says how many those were, and how the
/// connection ended.
async fn flood(setup: &Setup, piece: impl Fn(u32) -> Vec<u8>) -> (u32, End) {
    let (ours, theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), setup, keep);
    let (mut reader, mut writer) = tokio::io::split(theirs);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    writer.write_all(PREFACE).await.unwrap();
    let mut number = 0;
    let mut next = one(SETTINGS, 0, 0, &[]);
    while number < 1_000_000 && writer.write_all(&next).await.is_ok() {
        next = piece(number);
        number += 1;
    }
    (number, served.await.unwrap())
}

#[tokio::test]
async fn streams_that_a_client_has_us_reset_are_bounded() {
    let setup = Setup::default();
    // The window gets larger than one may be, for which the stream is reset.
    let piece = |number| {
        let id = 2 * number + 1;
        let more = one(WINDOW_UPDATE, 0, id, &0x7fff_ffff_u32.to_be_bytes());
        [head(id), more].concat()
    };
    let (sent, end) = flood(&setup, piece).await;
    assert_eq!(end, End::Flood(Frame::Other));
    assert!((1024..1200).contains(&sent), "{sent}");
    let errors = |frame, code| setup.metrics.errors_sent(Peer::Client, frame, code);
    assert!((1..=1024).contains(&errors("rst_stream", "flow_control_error")));
    assert_eq!(errors("goaway", "enhance_your_calm"), 1);
}

#[tokio::test]
async fn a_window_that_grows_by_nothing_ends_the_connection() {
    let setup = Setup::default();
    let piece = |number| {
        let id = 2 * number + 1;
        [head(id), one(WINDOW_UPDATE, 0, id, &[0; 4])].concat()
    };
    let (_, end) = flood(&setup, piece).await;
    assert!(matches!(end, End::Broken(Broken::Protocol(_))), "{end:?}");
    let errors = |code| setup.metrics.errors_sent(Peer::Client, "goaway", code);
    assert_eq!(errors("protocol_error"), 1);
}

#[tokio::test]
async fn small_frames_that_nobody_takes_are_bounded() {
    let setup = Setup::default();
    let piece = |number| match number {
        0 => head(1),
        _ => one(DATA, 0, 1, b"d"),
    };
    let (sent, end) = flood(&setup, piece).await;
    assert_eq!(end, End::Flood(Frame::Other));
    // A megabyte, of which each costs 255 bytes, and what has been on its way.
    assert!((4112..5200).contains(&sent), "{sent}");
    let errors = |code| setup.metrics.errors_sent(Peer::Client, "goaway", code);
    assert_eq!(errors("enhance_your_calm"), 1);
}

#[tokio::test]
async fn small_frames_are_taken_while_a_request_waits() {
    let setup = Setup::default();
    let (ours, theirs) = duplex(4096);
    let wait = |_head, mut stream: ServerStream| async move {
        poll_fn(|context| stream.poll_gone(context)).await;
    };
    let served = spawn_serve(ours, Bytes::new(), &setup, wait);
    let (_reader, mut writer) = tokio::io::split(theirs);
    writer.write_all(PREFACE).await.unwrap();
    let first = [one(SETTINGS, 0, 0, &[]), head(1)].concat();
    writer.write_all(&first).await.unwrap();
    for _ in 0..8000 {
        writer
            .write_all(&one(DATA, 0, 1, &[b'd'; 8]))
            .await
            .unwrap();
    }
    settle().await;
    assert!(!served.is_finished());
}

#[tokio::test]
async fn bodies_are_taken_between_new_requests() {
    const FRAMES: usize = 650;
    let setup = Setup::default();
    let ids: Vec<u32> = (0..7).map(|number| 2 * number + 1).collect();
    let mut sent = [PREFACE, &one(SETTINGS, 0, 0, &[])].concat();
    ids.iter().for_each(|id| sent.extend(head(*id)));
    for number in 1..=FRAMES {
        let ends = u8::from(number == FRAMES);
        let piece = |id: &u32| one(DATA, ends, *id, &[b'd'; 24]);
        sent.extend(ids.iter().flat_map(piece));
    }
    let (ours, mut theirs) = duplex(1024 * 1024);
    theirs.write_all(&sent).await.unwrap();
    let (done, mut taken) = unbounded_channel();
    let take = move |_head, mut stream: ServerStream| {
        let done = done.clone();
        async move {
            let (body, _) = read_all(&mut stream).await.unwrap();
            done.send(body.len()).unwrap();
        }
    };
    let _served = spawn_serve(ours, Bytes::new(), &setup, take);
    for _ in ids {
        assert_eq!(taken.recv().await, Some(FRAMES * 24));
    }
}

/// h2 has no setting for that; SECURITY.md says so.
#[tokio::test]
async fn empty_frames_are_bounded() {
    let setup = Setup::default();
    let piece = |number| match number {
        0 => head(1),
        _ => one(DATA, 0, 1, b""),
    };
    let (sent, end) = flood(&setup, piece).await;
    assert_eq!(end, End::Flood(Frame::Other));
    assert!((100..700).contains(&sent), "{sent}");
}
