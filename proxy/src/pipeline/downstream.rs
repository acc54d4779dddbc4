//! The client's side of a request.

use std::task::{Context, Poll};

use crate::{
    http1::Server,
    http2::ServerStream,
    message::{Broken, ResponseHead, Sink, Source},
};

/// Where a request comes from and its response goes to.
pub(super) trait Downstream: Source + Sink {
    /// Begins the response, or sends an interim one.
    ///
    /// # Errors
    ///
    /// When the client is gone, or the head can't be sent in its version of HTTP.
    fn start(&mut self, head: &ResponseHead) -> Result<(), Broken>;

    /// Waits until the client gives up.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// From here on there are bytes both ways.
    fn become_tunnel(&mut self);

    /// Ends a response that can't be completed, so that the client notices.
    fn abort(&mut self);

    /// Tells the client to send its next request on another connection.
    fn close_after_response(&mut self);
}

impl Downstream for Server {
    fn start(&mut self, head: &ResponseHead) -> Result<(), Broken> {
        Self::start(self, head);
        Ok(())
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Self::poll_gone(self, context)
    }

    fn become_tunnel(&mut self) {
        Self::become_tunnel(self);
    }

    fn abort(&mut self) {
        Self::abort(self);
    }

    fn close_after_response(&mut self) {
        Self::close_after_response(self);
    }
}

impl Downstream for ServerStream {
    fn start(&mut self, head: &ResponseHead) -> Result<(), Broken> {
        if head.is_interim() {
            return self.interim(head);
        }
        Self::start(self, head)
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Self::poll_gone(self, context).map(|_| ())
    }

    fn become_tunnel(&mut self) {
        // A stream is one from the beginning.
    }

    fn abort(&mut self) {
        self.reset(INTERNAL_ERROR);
    }

    fn close_after_response(&mut self) {
        Self::close_after_response(self);
    }
}

/// HTTP/2's error code (RFC 9113, 7).
const INTERNAL_ERROR: u32 = 2;
