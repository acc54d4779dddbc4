//! Connections from clients.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use h2::{Reason, ext::Protocol};
use http::{Method, Request, StatusCode};
use tokio::{io::duplex, sync::mpsc};

use super::support::*;
use crate::{
    http2::{End, ServerStream, Setup},
    message::{BodySize, Broken, FieldName, RequestHead, ResponseHead, Sink as _},
};

/// Answers with data for as long as the client takes it, and counts the bytes.
fn endless(
    written: &Arc<AtomicUsize>,
) -> impl FnMut(RequestHead, ServerStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + use<> {
    let written = Arc::clone(written);
    move |_head, mut stream| {
        let written = Arc::clone(&written);
        Box::pin(async move {
            stream.start(&response_head(BodySize::Unknown)).unwrap();
            loop {
                let write = poll_fn(|context| stream.poll_write(context, &[0; 1000]));
                let Ok(bytes) = write.await else { return };
                written.fetch_add(bytes, Relaxed);
            }
        })
    }
}

/// Answers with what it is sent, piece by piece, trailers included.
async fn echo(_head: RequestHead, mut stream: ServerStream) {
    stream.start(&response_head(BodySize::Unknown)).unwrap();
    loop {
        let piece = next(&mut stream).await.unwrap();
        if piece.is_empty() {
            break;
        }
        write_all(&mut stream, &piece).await.unwrap();
    }
    let (_, trailers) = read_all(&mut stream).await.unwrap();
    stream.finish(trailers.as_ref()).unwrap();
}

#[tokio::test]
async fn a_unary_call_has_trailers_both_ways() {
    let (mut client, _served) = served(&Setup::default(), echo).await;
    let (response, mut body) = client.send_request(post("/x"), false).unwrap();
    body.send_data(Bytes::from_static(b"question"), false)
        .unwrap();
    body.send_trailers(headers("grpc-status", "0")).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let (data, trailers) = drain(&mut response.into_body()).await;
    assert_eq!(data, b"question");
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_stream_goes_both_ways_at_once() {
    let (mut client, _served) = served(&Setup::default(), echo).await;
    let (response, mut sending) = client.send_request(post("/x"), false).unwrap();
    let mut body = response.await.unwrap().into_body();
    for number in 0..100_u8 {
        sending
            .send_data(Bytes::copy_from_slice(&[number; 3]), false)
            .unwrap();
        let piece = body.data().await.unwrap().unwrap();
        assert_eq!(piece, [number; 3][..]);
        body.flow_control().release_capacity(3).unwrap();
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert_eq!(drain(&mut body).await, (vec![], None));
}

#[tokio::test]
async fn a_large_body_goes_through_both_ways() {
    let (mut client, _served) = served(&Setup::default(), echo).await;
    let (response, mut sending) = client.send_request(post("/x"), false).unwrap();
    let sent: Bytes = (0..3_000_000_u32).map(|number| number as u8).collect();
    let mut body = response.await.unwrap().into_body();
    let sender = async {
        send(&mut sending, sent.clone()).await.unwrap();
        sending.send_data(Bytes::new(), true).unwrap();
    };
    let ((data, _), ()) = tokio::join!(drain(&mut body), sender);
    assert!(data == sent);
}

#[tokio::test]
async fn the_client_waits_until_the_body_is_consumed() {
    let (go, mut gone) = mpsc::channel(1);
    let mut gone = Some(async move { gone.recv().await });
    let handler = move |_head, mut stream: ServerStream| {
        let gone = gone.take().unwrap();
        async move {
            gone.await;
            let (data, _) = read_all(&mut stream).await.unwrap();
            let mut head = response_head(BodySize::Empty);
            head.fields = fields("x-length", &data.len().to_string());
            stream.start(&head).unwrap();
        }
    };
    let setup = Setup::default();
    let window = usize::try_from(setup.limits.stream_window).unwrap();
    let (mut client, _served) = served(&setup, handler).await;
    let (response, mut sending) = client.send_request(post("/x"), false).unwrap();
    let mut sent = 0;
    sending.reserve_capacity(10 * window);
    for _ in 0..1000 {
        let room = sending.capacity();
        if room > 0 {
            sending.send_data(vec![0; room].into(), false).unwrap();
            sent += room;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(sent, window);
    go.send(()).await.unwrap();
    send(&mut sending, vec![0; window].into()).await.unwrap();
    sending.send_data(Bytes::new(), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["x-length"], (2 * window).to_string());
}

#[tokio::test]
async fn the_response_waits_for_a_client_that_does_not_read() {
    let written = Arc::new(AtomicUsize::new(0));
    let handler = endless(&written);
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let (response, _) = client.send_request(post("/x"), true).unwrap();
    let body = response.await.unwrap().into_body();
    settle().await;
    // The window, and a last piece that waits for more room.
    let bytes = written.load(Relaxed);
    assert!((65_535 - 1000..=65_535 + 1000).contains(&bytes), "{bytes}");
    drop(body);
}

#[tokio::test]
async fn what_h2_buffers_is_bounded_when_the_window_is_not() {
    let written = Arc::new(AtomicUsize::new(0));
    let handler = endless(&written);
    let setup = Setup::default();
    let (ours, theirs) = duplex(4096);
    let _served = spawn_serve(ours, Bytes::new(), &setup, handler);
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(1 << 30)
        .initial_connection_window_size(1 << 30);
    let (mut client, mut connection) = builder.handshake::<_, Bytes>(theirs).await.unwrap();
    let _request = client.send_request(post("/x"), true).unwrap();
    // The client sends its request, and then doesn't even read the socket.
    for _ in 0..20 {
        poll_fn(|context| {
            let _ = Pin::new(&mut connection).poll(context);
            std::task::Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
        if written.load(Relaxed) > 0 {
            break;
        }
    }
    settle().await;
    let bytes = written.load(Relaxed);
    assert!(
        (1..=setup.limits.send_buffer + 64 * 1024).contains(&bytes),
        "{bytes}"
    );
}

#[tokio::test]
async fn a_reset_of_the_client_is_passed_on() {
    let (sender, mut receiver) = mpsc::channel(2);
    let handler = move |_head, mut stream: ServerStream| {
        let sender = sender.clone();
        async move {
            let source = read_all(&mut stream).await.unwrap_err();
            let gone = poll_fn(|context| stream.poll_gone(context)).await;
            sender.send((source, gone)).await.unwrap();
        }
    };
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let (_response, mut body) = client.send_request(post("/x"), false).unwrap();
    body.send_data(Bytes::from_static(b"a"), false).unwrap();
    settle().await;
    body.send_reset(Reason::CANCEL);
    let reset = Broken::Reset(CANCEL);
    assert_eq!(receiver.recv().await, Some((reset.clone(), reset)));
}

#[tokio::test]
async fn a_reset_of_the_client_stops_the_response() {
    let (sender, mut receiver) = mpsc::channel(1);
    let handler = move |_head, mut stream: ServerStream| {
        let sender = sender.clone();
        async move {
            stream.start(&response_head(BodySize::Unknown)).unwrap();
            let why = write_all(&mut stream, &[0; 1_000_000]).await.unwrap_err();
            sender.send(why).await.unwrap();
        }
    };
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let (response, mut body) = client.send_request(post("/x"), false).unwrap();
    let _response = response.await.unwrap();
    body.send_reset(Reason::CANCEL);
    assert_eq!(receiver.recv().await, Some(Broken::Reset(CANCEL)));
}

#[tokio::test]
async fn a_reset_reaches_the_client() {
    let handler = |head: RequestHead, mut stream: ServerStream| async move {
        if head.path() == b"/later" {
            stream.start(&response_head(BodySize::Unknown)).unwrap();
            settle().await;
        }
        stream.reset(11);
    };
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let (response, _body) = client.send_request(post("/now"), false).unwrap();
    let error = response.await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    let (response, _body) = client.send_request(post("/later"), false).unwrap();
    let mut body = response.await.unwrap().into_body();
    let error = body.data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn a_head_that_is_refused_is_counted_and_the_connection_lives_on() {
    let setup = Setup::default();
    let (mut client, _served) = served(&setup, echo).await;
    let mut bad = post("/x");
    *bad.method_mut() = Method::from_bytes(b"post").unwrap();
    let (response, _) = client.send_request(bad, true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(setup.metrics.refused_heads("unsupported_method"), 1);
    let (response, _) = client.send_request(post("/x"), true).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!(setup.metrics.refused_heads("unsupported_method"), 1);
}

#[tokio::test]
async fn interim_heads_come_before_the_response() {
    let handler = |_head, mut stream: ServerStream| async move {
        for status in [100, 103] {
            let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
            head.fields = fields("link", "</a>");
            stream.interim(&head).unwrap();
        }
        stream.start(&response_head(BodySize::Empty)).unwrap();
        let late = ResponseHead::new(StatusCode::CONTINUE);
        assert!(stream.interim(&late).is_err());
    };
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let (mut response, _body) = client.send_request(post("/x"), true).unwrap();
    for status in [100, 103] {
        let interim = poll_fn(|context| response.poll_informational(context)).await;
        let interim = interim.unwrap().unwrap();
        assert_eq!(interim.status(), status);
        assert_eq!(interim.headers()["link"], "</a>");
    }
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_is_as_long_as_its_head_says() {
    let handler = |head: RequestHead, mut stream: ServerStream| async move {
        stream.start(&response_head(BodySize::Length(3))).unwrap();
        if head.path() == b"/long" {
            let write = poll_fn(|context| stream.poll_write(context, b"four"));
            assert!(matches!(write.await, Err(Broken::Protocol(_))));
            write_all(&mut stream, b"abc").await.unwrap();
            stream.finish(None).unwrap();
        } else {
            write_all(&mut stream, b"ab").await.unwrap();
            assert!(matches!(stream.finish(None), Err(Broken::Protocol(_))));
        }
    };
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let (response, _) = client.send_request(post("/long"), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["content-length"], "3");
    assert_eq!(drain(&mut response.into_body()).await.0, b"abc");
    let (response, _) = client.send_request(post("/short"), true).unwrap();
    let error = match response.await {
        Ok(response) => {
            let mut body = response.into_body();
            loop {
                if let Err(error) = body.data().await.unwrap() {
                    break error;
                }
            }
        }
        Err(error) => error,
    };
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
}

#[tokio::test]
async fn extended_connect_is_a_tunnel() {
    let handler = |head: RequestHead, mut stream: ServerStream| async move {
        assert_eq!(head.upgrade(), Some(&b"websocket"[..]));
        let mut accepted = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
        accepted.fields = fields("upgrade", "websocket");
        stream.start(&accepted).unwrap();
        let frame = next(&mut stream).await.unwrap();
        write_all(&mut stream, &frame).await.unwrap();
        stream.finish(None).unwrap();
    };
    let (mut client, _served) = served(&Setup::default(), handler).await;
    settle().await;
    assert!(client.is_extended_connect_protocol_enabled());
    let mut request = Request::connect("http://a/chat").body(()).unwrap();
    request
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    let (response, mut body) = client.send_request(request, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    body.send_data(Bytes::from_static(b"frame"), false).unwrap();
    assert_eq!(drain(&mut response.into_body()).await.0, b"frame");
}

#[tokio::test]
async fn a_drain_lets_streams_finish() {
    let setup = Setup::default();
    let (mut client, served) = served(&setup, echo).await;
    let (response, mut body) = client.send_request(post("/x"), false).unwrap();
    let response = response.await.unwrap();
    setup.drain.cancel();
    settle().await;
    let refused = client.ready().await.unwrap_err();
    assert!(refused.is_go_away());
    body.send_data(Bytes::from_static(b"late"), true).unwrap();
    assert_eq!(drain(&mut response.into_body()).await.0, b"late");
    assert_eq!(served.await.unwrap(), End::Closed);
}

#[tokio::test]
async fn streams_hear_of_the_end_of_the_connection() {
    let (sender, mut receiver) = mpsc::channel(1);
    let handler = move |_head, mut stream: ServerStream| {
        let sender = sender.clone();
        async move {
            let gone = poll_fn(|context| stream.poll_gone(context)).await;
            sender.send(gone).await.unwrap();
        }
    };
    let (ours, theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), &Setup::default(), handler);
    let (mut client, connection) = h2::client::handshake(theirs).await.unwrap();
    let connection = tokio::spawn(connection);
    let _request = client.send_request(post("/x"), false).unwrap();
    settle().await;
    connection.abort();
    assert_eq!(receiver.recv().await, Some(Broken::Closed));
    served.await.unwrap();
}

#[tokio::test]
async fn bytes_that_were_read_before_are_used() {
    use tokio::io::AsyncReadExt as _;

    let (mut ours, theirs) = duplex(4096);
    let client = tokio::spawn(async move {
        let (mut client, connection) = h2::client::handshake(theirs).await.unwrap();
        tokio::spawn(connection);
        let (response, _) = client.send_request(post("/x"), true).unwrap();
        response.await.unwrap().status()
    });
    let mut first = [0; 30];
    ours.read_exact(&mut first).await.unwrap();
    let first = Bytes::copy_from_slice(&first);
    let _served = spawn_serve(ours, first, &Setup::default(), echo);
    assert_eq!(client.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn the_head_has_all_its_parts() {
    let (sender, mut receiver) = mpsc::channel(1);
    let handler = move |head: RequestHead, mut stream: ServerStream| {
        let sender = sender.clone();
        async move {
            stream.start(&response_head(BodySize::Empty)).unwrap();
            sender.send(head).await.unwrap();
        }
    };
    let (mut client, _served) = served(&Setup::default(), handler).await;
    let request = Request::put("http://a:1/b?c")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    response.await.unwrap();
    let head = receiver.recv().await.unwrap();
    assert_eq!(head.method, Method::PUT);
    assert_eq!(head.authority(), Some(&b"a:1"[..]));
    assert_eq!((head.path(), head.body), (&b"/b?c"[..], BodySize::Empty));
    assert_eq!(head.fields.all(FieldName::Cookie).count(), 2);
    assert_eq!(head.fields.get(FieldName::Te), Some(&b"trailers"[..]));
}

#[tokio::test]
async fn a_connection_that_is_dropped_drops_its_streams() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let handler = move |_head, mut stream: ServerStream| {
        let held = Arc::clone(&held);
        async move {
            poll_fn(|context| stream.poll_gone(context)).await;
            drop(held);
        }
    };
    let (mut client, served) = served(&Setup::default(), handler).await;
    let (response, _body) = client.send_request(post("/x"), false).unwrap();
    settle().await;
    assert_eq!(Arc::strong_count(&alive), 3);
    served.abort();
    assert!(response.await.is_err());
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test]
async fn many_streams_run_beside_each_other() {
    let (client, _served) = served(&Setup::default(), echo).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..500_u32 {
        let mut client = client.clone();
        calls.spawn(async move {
            let (response, mut body) = client.send_request(post("/x"), false).unwrap();
            let data = Bytes::from(number.to_be_bytes().repeat(5000));
            let mut answer = response.await.unwrap().into_body();
            let sender = async {
                send(&mut body, data.clone()).await.unwrap();
                body.send_data(Bytes::new(), true).unwrap();
            };
            let ((got, _), ()) = tokio::join!(drain(&mut answer), sender);
            assert!(got == data);
        });
    }
    assert_eq!(calls.join_all().await.len(), 500);
}
