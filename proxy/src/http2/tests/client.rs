//! Connections to servers.

use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::Reason;
use http::{Response, StatusCode};

use super::support::*;
use crate::{
    http2::{ClientStream, Connection, End, NotSent, Setup, connect},
    message::{BodySize, Broken, FieldName, ResponseHead, Sink as _},
};

async fn head(stream: &mut ClientStream) -> Result<ResponseHead, Broken> {
    poll_fn(|context| stream.poll_head(context)).await
}

/// Answers each request with what it is sent.
async fn echo(mut server: h2::server::Connection<tokio::io::DuplexStream, Bytes>) {
    while let Some(Ok((request, mut respond))) = server.accept().await {
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut sending = respond.send_response(ok(), false).unwrap();
            while let Some(Ok(piece)) = body.data().await {
                body.flow_control().release_capacity(piece.len()).unwrap();
                send(&mut sending, piece).await.unwrap();
            }
            match body.trailers().await.unwrap() {
                Some(trailers) => sending.send_trailers(trailers).unwrap(),
                None => sending.send_data(Bytes::new(), true).unwrap(),
            }
        });
    }
}

#[tokio::test]
async fn a_unary_call_has_trailers_both_ways() {
    let (mut connection, server) = connected().await;
    tokio::spawn(echo(server));
    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    write_all(&mut stream, b"question").await.unwrap();
    stream.finish(Some(&fields("grpc-status", "0"))).unwrap();
    let head = head(&mut stream).await.unwrap();
    assert_eq!(
        (head.status, head.body),
        (StatusCode::OK, BodySize::Unknown)
    );
    let (data, trailers) = read_all(&mut stream).await.unwrap();
    assert_eq!(data, b"question");
    let trailers = trailers.unwrap();
    assert_eq!(trailers.get(FieldName::GrpcStatus), Some(&b"0"[..]));
}

#[tokio::test]
async fn a_stream_goes_both_ways_at_once() {
    let (mut connection, server) = connected().await;
    tokio::spawn(echo(server));
    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    head(&mut stream).await.unwrap();
    for number in 0..100_u8 {
        write_all(&mut stream, &[number; 3]).await.unwrap();
        assert_eq!(next(&mut stream).await.unwrap(), [number; 3]);
    }
    stream.finish(None).unwrap();
    assert_eq!(read_all(&mut stream).await.unwrap(), (vec![], None));
}

#[tokio::test]
async fn the_server_waits_until_the_body_is_consumed() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Empty)).unwrap();
    let (_request, mut respond) = server.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    let mut sending = respond.send_response(ok(), false).unwrap();
    head(&mut stream).await.unwrap();
    let mut sent = 0;
    sending.reserve_capacity(1_000_000);
    for _ in 0..1000 {
        let room = sending.capacity();
        if room > 0 {
            sending.send_data(vec![0; room].into(), false).unwrap();
            sent += room;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(sent, 65_535);
    let sender = async {
        send(&mut sending, vec![0; 100_000].into()).await.unwrap();
        sending.send_data(Bytes::new(), true).unwrap();
    };
    let (read, ()) = tokio::join!(read_all(&mut stream), sender);
    assert_eq!(read.unwrap().0.len(), sent + 100_000);
}

#[tokio::test]
async fn the_request_waits_for_a_server_that_does_not_read() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    let (request, _respond) = server.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    let mut written = 0;
    for _ in 0..1000 {
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        if let std::task::Poll::Ready(bytes) = stream.poll_write(&mut context, &[0; 1000]) {
            written += bytes.unwrap();
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(written, 65_535);
    drop(request);
}

/// What a piece gets while nobody drives the connection.
fn write_at_once(stream: &mut ClientStream, bytes: usize) -> Poll<usize> {
    let mut context = Context::from_waker(Waker::noop());
    let written = stream.poll_write(&mut context, &vec![b'x'; bytes]);
    written.map(Result::unwrap)
}

#[tokio::test]
async fn a_short_first_piece_leaves_with_the_head() {
    let (mut connection, driver, mut server) = pair(&h2::server::Builder::new()).await;
    let send = |connection: &mut Connection| connection.send(&request_head(BodySize::Unknown));
    let mut short = send(&mut connection).unwrap();
    assert_eq!(write_at_once(&mut short, 4096), Poll::Ready(4096));
    assert_eq!(write_at_once(&mut short, 1), Poll::Pending);
    let mut long = send(&mut connection).unwrap();
    assert_eq!(write_at_once(&mut long, 4097), Poll::Pending);
    tokio::spawn(driver);
    let (request, _respond) = server.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    short.finish(None).unwrap();
    assert_eq!(drain(&mut request.into_body()).await.0, [b'x'; 4096]);
}

#[tokio::test]
async fn a_first_piece_waits_for_the_servers_window_like_any_other() {
    let mut builder = h2::server::Builder::new();
    let (mut connection, driver, mut server) = pair(builder.initial_window_size(0)).await;
    tokio::spawn(driver);
    settle().await;
    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    assert_eq!(write_at_once(&mut stream, 8), Poll::Ready(8));
    stream.finish(None).unwrap();
    let (request, _respond) = server.accept().await.unwrap().unwrap();
    let mut body = request.into_body();
    for _ in 0..200 {
        let waits = tokio::select! {
            biased;
            _ = body.data() => false,
            _ = server.accept() => false,
            () = tokio::task::yield_now() => true,
        };
        assert!(waits);
    }
    server.set_initial_window_size(100).unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    assert_eq!(drain(&mut body).await.0, [b'x'; 8]);
}

#[tokio::test]
async fn resets_are_passed_on_both_ways() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    let (mut request, mut respond) = server.accept().await.unwrap().unwrap();
    stream.reset(CANCEL);
    let seen = tokio::select! {
        data = request.body_mut().data() => data.unwrap().unwrap_err().reason(),
        _ = server.accept() => unreachable!(),
    };
    assert_eq!(seen, Some(Reason::CANCEL));
    drop(respond);

    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    (_, respond) = server.accept().await.unwrap().unwrap();
    respond.send_reset(Reason::INTERNAL_ERROR);
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    assert_eq!(head(&mut stream).await, Err(Broken::Reset(2)));
    assert!(!stream.is_unprocessed());
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_cancelled() {
    let (mut connection, mut server) = connected().await;
    let stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    let (mut request, _respond) = server.accept().await.unwrap().unwrap();
    assert_eq!(connection.streams(), 1);
    drop(stream);
    assert_eq!(connection.streams(), 0);
    let seen = tokio::select! {
        data = request.body_mut().data() => data.unwrap().unwrap_err().reason(),
        _ = server.accept() => unreachable!(),
    };
    assert_eq!(seen, Some(Reason::CANCEL));
}

#[tokio::test]
async fn an_early_response_stops_the_request() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    let (request, mut respond) = server.accept().await.unwrap().unwrap();
    let mut sending = respond.send_response(ok(), false).unwrap();
    sending.send_data(Bytes::from_static(b"no"), true).unwrap();
    drop((request, respond, sending));
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    head(&mut stream).await.unwrap();
    settle().await;
    let why = write_all(&mut stream, &[0; 200_000]).await.unwrap_err();
    assert_eq!(why, Broken::Reset(0));
    assert_eq!(read_all(&mut stream).await.unwrap().0, b"no");
}

#[tokio::test]
async fn interim_heads_come_before_the_response() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Empty)).unwrap();
    let (_request, mut respond) = server.accept().await.unwrap().unwrap();
    for status in [100, 103] {
        let interim = Response::builder().status(status).body(()).unwrap();
        respond.send_informational(interim).unwrap();
    }
    respond.send_response(ok(), true).unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    for status in [100, 103, 200] {
        let head = head(&mut stream).await.unwrap();
        assert_eq!(head.status.as_u16(), status);
        assert_eq!(head.is_interim(), status < 200);
    }
    assert_eq!(next(&mut stream).await.unwrap(), b"");
    assert!(head(&mut stream).await.is_err());
}

#[tokio::test]
async fn a_refused_stream_was_not_processed() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Empty)).unwrap();
    let (_request, mut respond) = server.accept().await.unwrap().unwrap();
    respond.send_reset(Reason::REFUSED_STREAM);
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    assert_eq!(head(&mut stream).await, Err(Broken::Reset(7)));
    assert!(stream.is_unprocessed());
    assert!(!connection.is_gone());
}

#[tokio::test]
async fn a_request_that_fails_while_it_is_sent_may_not_have_been_processed() {
    let (mut connection, mut server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    let (_request, mut respond) = server.accept().await.unwrap().unwrap();
    respond.send_reset(Reason::REFUSED_STREAM);
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    let why = write_all(&mut stream, &[0; 1_000_000]).await.unwrap_err();
    assert_eq!(why, Broken::Reset(7));
    assert!(stream.is_unprocessed());
}

#[tokio::test]
async fn a_goaway_says_which_requests_were_not_processed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let setup = Setup::default();
    let (mut connection, driver) = connect(ours, &setup).await.unwrap();
    let driver = tokio::spawn(driver);
    theirs
        .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut first = connection.send(&request_head(BodySize::Empty)).unwrap();
    let mut second = connection.send(&request_head(BodySize::Unknown)).unwrap();
    let mut third = connection.send(&request_head(BodySize::Empty)).unwrap();
    settle().await;
    // The last stream is 1.
    let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    theirs.write_all(&goaway).await.unwrap();
    let why = write_all(&mut second, &[0; 1_000_000]).await;
    assert_eq!(why, Err(Broken::Closed));
    assert_eq!(head(&mut third).await, Err(Broken::Closed));
    assert!(second.is_unprocessed() && third.is_unprocessed());
    assert!(connection.is_gone() && !connection.has_room());
    let not_sent = connection.send(&request_head(BodySize::Empty));
    assert_eq!(not_sent.unwrap_err(), NotSent::Gone);
    // The first one goes on: HEADERS of `:status: 200`.
    let answer = [0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
    theirs.write_all(&answer).await.unwrap();
    assert_eq!(head(&mut first).await.unwrap().status, StatusCode::OK);
    drop((first, second, third, connection));
    let mut rest = Vec::new();
    theirs.read_to_end(&mut rest).await.unwrap();
    assert_eq!(driver.await.unwrap(), End::Closed);
}

#[tokio::test]
async fn a_connection_that_dies_with_the_request_may_have_processed_it() {
    let (mut connection, server) = connected().await;
    let mut stream = connection.send(&request_head(BodySize::Empty)).unwrap();
    settle().await;
    drop(server);
    assert_eq!(head(&mut stream).await, Err(Broken::Closed));
    assert!(!stream.is_unprocessed());
    assert!(connection.is_gone());
}

#[tokio::test]
async fn a_connection_that_dies_before_the_request_has_not_processed_it() {
    let (mut connection, driver, server) = pair(&h2::server::Builder::new()).await;
    let mut stream = connection.send(&request_head(BodySize::Empty)).unwrap();
    drop(server);
    drop(driver);
    assert_eq!(head(&mut stream).await, Err(Broken::Closed));
    assert!(stream.is_unprocessed());
}

#[tokio::test]
async fn has_room_for_as_many_streams_as_the_server_allows() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(2);
    let (mut connection, driver, mut server) = pair(&builder).await;
    tokio::spawn(driver);
    let accept = tokio::spawn(async move { while server.accept().await.is_some() {} });
    poll_fn(|context| connection.poll_settled(context)).await;
    let first = connection.send(&request_head(BodySize::Unknown)).unwrap();
    assert!(connection.has_room());
    let _second = connection.send(&request_head(BodySize::Unknown)).unwrap();
    assert!(!connection.clone().has_room() && !connection.is_gone());
    let not_sent = connection.send(&request_head(BodySize::Unknown));
    assert_eq!(not_sent.unwrap_err(), NotSent::Full);
    drop(first);
    assert!(connection.has_room());
    accept.abort();
}

#[tokio::test]
async fn extended_connect_is_a_tunnel_where_the_server_takes_it() {
    let mut upgrade = request_head(BodySize::Empty);
    upgrade.method = http::Method::GET;
    upgrade.set_upgrade(Some(b"websocket"));

    let (mut connection, mut server) = connected().await;
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    poll_fn(|context| connection.poll_settled(context)).await;
    assert_eq!(connection.send(&upgrade).unwrap_err(), NotSent::NoUpgrades);

    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    let (mut connection, driver, server) = pair(&builder).await;
    tokio::spawn(driver);
    tokio::spawn(echo(server));
    poll_fn(|context| connection.poll_settled(context)).await;
    let mut stream = connection.send(&upgrade).unwrap();
    let head = head(&mut stream).await.unwrap();
    assert_eq!(head.status, StatusCode::SWITCHING_PROTOCOLS);
    write_all(&mut stream, b"frame").await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), b"frame");
    stream.finish(None).unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), b"");
}

#[tokio::test]
async fn the_driver_ends_when_nobody_uses_the_connection() {
    let (connection, driver, mut server) = pair(&h2::server::Builder::new()).await;
    let driver = tokio::spawn(driver);
    tokio::spawn(async move { while let Some(Ok(_)) = server.accept().await {} });
    drop(connection);
    assert_eq!(driver.await.unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_when_nobody_uses_the_connection_and_the_server_reads_nothing() {
    // Room for the preface, and not for the settings.
    let (ours, _theirs) = tokio::io::duplex(32);
    let setup = Setup::default();
    let (mut connection, driver) = connect(ours, &setup).await.unwrap();
    let mut driver = tokio::spawn(driver);
    let stream = connection.send(&request_head(BodySize::Unknown)).unwrap();
    drop(connection);
    // A stream needs it still.
    let early = tokio::time::timeout(setup.limits.goodbye * 2, &mut driver).await;
    assert!(early.is_err());
    drop(stream);
    let ended = tokio::time::timeout(setup.limits.goodbye * 2, driver).await;
    assert_eq!(ended.unwrap().unwrap(), End::Idle);
}
