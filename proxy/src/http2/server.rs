//! A connection from a client of HTTP/2.

use std::{future::Future, pin::pin, sync::Arc};

use bytes::Bytes;
use futures::{
    FutureExt as _,
    stream::{FuturesUnordered, StreamExt as _},
};
use h2::{
    Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use http::{Method, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, timeout},
};

use super::{
    end::End,
    heads::{self, Asked, BadHead},
    limits::{FRAME, Limits, STREAM_ERRORS, UNSEEN_RESETS},
    receiving::Receiving,
    server_stream::ServerStream,
    setup::Setup,
    wire::{Tally, Wire},
};
use crate::message::{Broken, RequestHead, TrailersOf};

/// Serves a connection until it ends and its last stream's future has.
///
/// `first` are bytes that have been read from `io` already, from the client's preface on.
/// `handler` is called for each request, and its future is polled with the connection. Where a
/// head is refused, which has its answer already, `refused` hears of it.
pub(crate) async fn serve<I, R, H, F>(
    io: I,
    first: Bytes,
    setup: &Setup,
    refused: R,
    handler: H,
) -> End
where
    I: AsyncRead + AsyncWrite + Unpin,
    R: FnMut(&Method, BadHead),
    H: FnMut(RequestHead, ServerStream) -> F,
    F: Future<Output = ()>,
{
    let wire = Wire::of_client(io, first, setup.limits.frames, setup.metrics.clone());
    let tally = wire.tally();
    let handshake = builder(&setup.limits).handshake(wire);
    let connection = match timeout(setup.limits.handshake, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return End::of(&error, &tally),
        Err(_) => return End::Silent,
    };
    let server = Server {
        setup,
        tally,
        refused,
        handler,
        streams: FuturesUnordered::new(),
    };
    server.run(connection).await
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        .max_frame_size(FRAME)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buffer_size(limits.send_buffer)
        .data_frame_budget(limits.data_frames)
        .max_concurrent_reset_streams(limits.remembered_resets())
        .max_local_error_reset_streams(Some(STREAM_ERRORS))
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .enable_connect_protocol();
    builder
}

struct Server<'a, R, H, F> {
    setup: &'a Setup,
    tally: Arc<Tally>,
    refused: R,
    handler: H,
    streams: FuturesUnordered<F>,
}

impl<R, H, F> Server<'_, R, H, F>
where
    R: FnMut(&Method, BadHead),
    H: FnMut(RequestHead, ServerStream) -> F,
    F: Future<Output = ()>,
{
    async fn run<I>(mut self, mut connection: Connection<Wire<I>, Bytes>) -> End
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let limits = &self.setup.limits;
        let mut quiet = pin!(sleep(limits.idle));
        let mut drain = pin!(self.setup.drain.cancelled());
        // Set once the client has been told to send no more requests.
        let mut leaving = None;
        let end = loop {
            tokio::select! {
                // Whoever takes what has come has a turn before more is read: each new request is a read.
                biased;
                Some(()) = self.streams.next(), if !self.streams.is_empty() => {
                    // What several responses end with goes out together.
                    while let Some(Some(())) = self.streams.next().now_or_never() {}
                    if leaving.is_none() && self.tally.leaves() {
                        leaving = Some(End::Closed);
                        connection.graceful_shutdown();
                    }
                    let time = if leaving.is_some() { limits.goodbye } else { limits.idle };
                    quiet.as_mut().reset(Instant::now() + time);
                }
                accepted = connection.accept() => match accepted {
                    Some(Ok((request, respond))) => self.admit(request, respond),
                    Some(Err(error)) => break self.end(End::of(&error, &self.tally), leaving),
                    None => break self.end(End::Closed, leaving),
                },
                () = &mut drain, if leaving.is_none() => {
                    leaving = Some(End::Closed);
                    connection.graceful_shutdown();
                    quiet.as_mut().reset(Instant::now() + limits.goodbye);
                }
                () = &mut quiet, if self.streams.is_empty() => {
                    if let Some(end) = leaving {
                        break end;
                    }
                    leaving = Some(End::Idle);
                    connection.graceful_shutdown();
                    quiet.as_mut().reset(Instant::now() + limits.goodbye);
                }
            }
        };
        // Tells the streams, whose futures have something to note down, and frees what waits.
        drop(connection);
        while self.streams.next().await.is_some() {}
        end
    }

    /// What an end means for the client: nothing was lost if nothing was going on.
    fn end(&self, end: End, leaving: Option<End>) -> End {
        match (end, leaving) {
            (End::Closed | End::Broken(Broken::Closed), Some(end)) if self.streams.is_empty() => {
                end
            }
            (End::Broken(Broken::Closed), None) if self.streams.is_empty() => End::Closed,
            (end, _) => end,
        }
    }

    fn admit(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let (parts, body) = request.into_parts();
        let mut request = Request::from_parts(parts, ());
        let max_fields = self.setup.limits.fields;
        match heads::read_request(&mut request, body.is_end_stream(), max_fields) {
            Ok(head) => {
                let body = Receiving::new(TrailersOf::Request, body, max_fields);
                let tally = Arc::clone(&self.tally);
                let stream = ServerStream::new(Asked::of(&head), body, respond, tally);
                self.streams.push((self.handler)(head, stream));
            }
            Err(bad) => {
                self.setup.metrics.refused_head(bad.as_str());
                tracing::debug!("refused a request of HTTP/2: {bad}");
                refuse(&mut respond, bad);
                (self.refused)(request.method(), bad);
            }
        }
    }
}

fn refuse(respond: &mut SendResponse<Bytes>, bad: BadHead) {
    match bad.status() {
        None => respond.send_reset(Reason::PROTOCOL_ERROR),
        Some(status) => {
            let mut response = Response::new(());
            *response.status_mut() = status;
            // If it fails, the client is gone.
            let _ = respond.send_response(response, true);
        }
    }
}
