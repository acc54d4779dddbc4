//! The server's side of a request.

use std::{
    net::SocketAddr,
    task::{Context, Poll},
};

use crate::{
    http2::ClientStream,
    message::{Broken, Fields, Piece, ResponseHead, Sink, Source},
    pool::Http1Connection,
};

/// A request on its way to a server.
#[derive(Debug)]
pub(super) enum Upstream {
    Http1(Box<Http1Connection>),
    Http2(Box<ClientStream>),
}

impl Upstream {
    /// Receives the response's head, or an interim one.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<ResponseHead, Broken>> {
        match self {
            Self::Http1(connection) => connection.client.poll_head(context),
            Self::Http2(stream) => stream.poll_head(context),
        }
    }

    /// Whether the server can't have seen anything of the request.
    pub fn is_unprocessed(&self) -> bool {
        match self {
            Self::Http1(connection) => !connection.client.has_sent(),
            Self::Http2(stream) => stream.is_unprocessed(),
        }
    }

    /// Whether nothing of a response has arrived. The server may have processed the request
    /// all the same, so only an idempotent one may be sent again.
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::Http1(connection) => !connection.client.has_received(),
            Self::Http2(stream) => stream.is_unprocessed(),
        }
    }

    /// From here on there are bytes both ways.
    pub fn become_tunnel(&mut self) {
        if let Self::Http1(connection) = self {
            connection.client.become_tunnel();
        }
    }

    /// Ends a tunnel that the client has broken off, so that the server notices.
    pub fn abort(&mut self) {
        match self {
            Self::Http1(connection) => connection.client.abort(),
            // It is reset when it is dropped.
            Self::Http2(_) => {}
        }
    }

    /// The connection's own address, where it is known.
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Http1(connection) => connection.client.local(),
            Self::Http2(_) => None,
        }
    }
}

impl Source for Upstream {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        match self {
            Self::Http1(connection) => connection.client.poll_piece(context),
            Self::Http2(stream) => stream.poll_piece(context),
        }
    }

    fn consume(&mut self, bytes: usize) {
        match self {
            Self::Http1(connection) => connection.client.consume(bytes),
            Self::Http2(stream) => stream.consume(bytes),
        }
    }

    fn poll_behind(&mut self, context: &mut Context<'_>) {
        if let Self::Http2(stream) = self {
            stream.poll_behind(context);
        }
    }
}

impl Sink for Upstream {
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Broken>> {
        match self {
            Self::Http1(connection) => connection.client.poll_write(context, data),
            Self::Http2(stream) => stream.poll_write(context, data),
        }
    }

    fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), Broken> {
        match self {
            Self::Http1(connection) => connection.client.finish(trailers),
            Self::Http2(stream) => stream.finish(trailers),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self {
            Self::Http1(connection) => connection.client.poll_flush(context),
            Self::Http2(stream) => stream.poll_flush(context),
        }
    }
}
