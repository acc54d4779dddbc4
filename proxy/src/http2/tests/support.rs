//! Both ends of a connection, and bodies read and written whole.

use std::future::{Future, poll_fn};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
};

use crate::{
    http2::{Connection, Driver, End, ServerStream, Setup, connect, serve},
    message::{BodySize, Broken, Fields, Piece, RequestHead, ResponseHead, Sink, Source},
};

pub(super) const CANCEL: u32 = 8;

/// Serves one end of a connection; the other is h2's.
pub(super) async fn served<H, F>(setup: &Setup, handler: H) -> (SendRequest<Bytes>, JoinHandle<End>)
where
    H: FnMut(RequestHead, ServerStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (ours, theirs) = duplex(4096);
    let served = spawn_serve(ours, Bytes::new(), setup, handler);
    let (client, connection) = h2::client::handshake(theirs).await.unwrap();
    tokio::spawn(connection);
    (client, served)
}

pub(super) fn spawn_serve<H, F>(
    io: DuplexStream,
    first: Bytes,
    setup: &Setup,
    handler: H,
) -> JoinHandle<End>
where
    H: FnMut(RequestHead, ServerStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let setup = setup.clone();
    tokio::spawn(async move { serve(io, first, &setup, |_, _| {}, handler).await })
}

/// Connects to h2's server at the other end.
pub(super) async fn connected() -> (Connection, h2::server::Connection<DuplexStream, Bytes>) {
    let (connection, driver, server) = pair(&h2::server::Builder::new()).await;
    tokio::spawn(driver);
    (connection, server)
}

/// Connects to a server of h2 with these settings.
pub(super) async fn pair(
    builder: &h2::server::Builder,
) -> (
    Connection,
    Driver<DuplexStream>,
    h2::server::Connection<DuplexStream, Bytes>,
) {
    let (ours, theirs) = duplex(4096);
    let setup = Setup::default();
    let (ours, theirs) = tokio::join!(connect(ours, &setup), builder.handshake(theirs));
    let (connection, driver) = ours.unwrap();
    (connection, driver, theirs.unwrap())
}

pub(super) fn post(path: &str) -> Request<()> {
    let uri = format!("http://a{path}");
    Request::post(uri).body(()).unwrap()
}

pub(super) fn ok() -> Response<()> {
    Response::new(())
}

/// The head of a request for `/`.
pub(super) fn request_head(body: BodySize) -> RequestHead {
    let method = http::Method::POST;
    let mut head = RequestHead::new(method, Some(b"a"), b"/", Fields::default());
    head.body = body;
    head
}

/// The head of a response with status 200.
pub(super) fn response_head(body: BodySize) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::OK);
    head.body = body;
    head
}

pub(super) fn fields(name: &str, value: &str) -> Fields {
    let mut fields = Fields::default();
    fields.push(name.as_bytes(), value.as_bytes());
    fields
}

pub(super) fn headers(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static(name),
        http::HeaderValue::from_static(value),
    )])
}

/// The next piece of data, consumed; empty at the end.
pub(super) async fn next(source: &mut impl Source) -> Result<Vec<u8>, Broken> {
    let piece = poll_fn(|context| {
        source.poll_piece(context).map_ok(|piece| match piece {
            Piece::Data(data) => data.to_vec(),
            Piece::Trailers(_) | Piece::End => Vec::new(),
        })
    });
    let piece = piece.await?;
    source.consume(piece.len());
    Ok(piece)
}

/// All data, and the trailers.
pub(super) async fn read_all(
    source: &mut impl Source,
) -> Result<(Vec<u8>, Option<Fields>), Broken> {
    let mut all = Vec::new();
    loop {
        match next(source).await? {
            piece if piece.is_empty() => break,
            piece => all.extend(piece),
        }
    }
    let trailers = poll_fn(|context| {
        source.poll_piece(context).map_ok(|piece| match piece {
            Piece::Trailers(fields) => Some(fields.clone()),
            Piece::Data(_) | Piece::End => None,
        })
    });
    Ok((all, trailers.await?))
}

pub(super) async fn write_all(sink: &mut impl Sink, mut data: &[u8]) -> Result<(), Broken> {
    while !data.is_empty() {
        let written = poll_fn(|context| sink.poll_write(context, data)).await?;
        assert!(written > 0);
        data = &data[written..];
    }
    poll_fn(|context| sink.poll_flush(context)).await
}

/// All data that h2 receives, and the trailers.
pub(super) async fn drain(body: &mut RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    (all, body.trailers().await.unwrap())
}

/// Sends all of it by h2, as windows allow.
pub(super) async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(room) = poll_fn(|context| stream.poll_capacity(context)).await else {
            return Ok(());
        };
        let room = room?.min(data.len());
        stream.send_data(data.split_to(room), false)?;
    }
    Ok(())
}

/// Lets all tasks run until each waits for another.
pub(super) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
