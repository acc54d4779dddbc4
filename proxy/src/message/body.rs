//! Bodies: where they come from and where they go.

use std::{
    io,
    task::{Context, Poll},
};

use super::Fields;
use crate::net::tls_alert::TlsAlert;

/// What a head says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodySize {
    /// There is none.
    Empty,
    /// So many bytes, at least one; no trailers in HTTP/1.
    Length(u64),
    /// It ends when it ends, maybe with trailers.
    Unknown,
}

/// The next piece of a body.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// At least one byte. [`Source::consume`] says how many were used.
    Data(&'a [u8]),
    /// The body has ended with trailers. Nothing follows.
    Trailers(&'a Fields),
    /// The body has ended without trailers. Nothing follows.
    End,
}

/// Why a message broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// The connection was closed or reset, or can't be used any more.
    #[error("the connection was closed")]
    Closed,
    /// HTTP/2: the other side reset the stream, with this error code (RFC 9113, 7).
    #[error("the stream was reset (HTTP/2 error code {0})")]
    Reset(u32),
    /// What came is not HTTP, or not allowed.
    #[error("{0}")]
    Protocol(&'static str),
    /// The message is not valid HTTP/1. The text is the reason's label (`docs/sidecar.md`).
    #[error("{0}")]
    Refused(&'static str),
    /// The other side has broken off by an alert of TLS.
    #[error("{0}")]
    Alert(TlsAlert),
}

impl Broken {
    /// What an error of a connection means for its messages.
    pub fn of_io(error: &io::Error) -> Self {
        TlsAlert::of_io(error).map_or(Self::Closed, Self::Alert)
    }
}

/// The receiving side of a message.
pub(crate) trait Source {
    /// The next piece of the body: the same one until it is consumed.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>>;

    /// Passes over the first bytes of the piece of data that was polled last.
    fn consume(&mut self, bytes: usize);

    /// Takes in what has come behind that piece, which nobody takes now, where it would be in the
    /// way of others. The task is woken when more comes.
    fn poll_behind(&mut self, _context: &mut Context<'_>) {}
}

/// The sending side of a message.
pub(crate) trait Sink {
    /// Takes some of the bytes, at least one; they may wait for [`Sink::poll_flush`].
    fn poll_write(&mut self, context: &mut Context<'_>, data: &[u8])
    -> Poll<Result<usize, Broken>>;

    /// Ends the body, with trailers if there are some.
    ///
    /// # Errors
    ///
    /// When the head announced more bytes than were written.
    fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), Broken>;

    /// Sends everything that waits.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>>;
}
