//! The side of a connection that answers requests.

use std::{
    io,
    task::{Context, Poll, ready},
};

use http::{Method, Version};

use super::{
    BadRequest, Decoder, ResponseOptions, parse_request,
    wire::{OnWire, Wire},
    write_response,
};
use crate::{
    message::{RequestHead, ResponseHead, Sink as _},
    net::{
        input::Input,
        stream::{Stream, reset_when_dropped},
    },
};

/// Why there is no next request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRequest {
    /// The client has closed the connection.
    #[error("the client closed the connection")]
    Closed,
    /// What it sent is not a request that may be passed on.
    #[error(transparent)]
    Bad(#[from] BadRequest),
}

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Server {
    wire: Wire,
    /// Bytes of an incomplete head that have been parsed already.
    seen: usize,
    /// Of the request that is being answered.
    method: Method,
    version: Version,
    /// Whether there may be another request after this one.
    keep_alive: bool,
    is_aborted: bool,
}

impl Server {
    /// Takes a connection of which something may have been received.
    pub fn new(io: Stream, received: Input) -> Self {
        Self {
            wire: Wire::new(io, received),
            seen: 0,
            method: Method::GET,
            version: Version::HTTP_11,
            keep_alive: true,
            is_aborted: false,
        }
    }

    /// Whether the client has begun a head and not ended it.
    pub fn is_in_head(&self) -> bool {
        !self.wire.input.is_empty()
    }

    /// Receives the next request's head.
    ///
    /// # Errors
    ///
    /// When there is none: the connection has ended, or what came is not a request.
    pub fn poll_request(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<RequestHead, NoRequest>> {
        loop {
            let input = self.wire.input.bytes();
            if self.wire.limits.may_have_changed(input, self.seen) {
                let parsed = parse_request(input, &self.wire.limits);
                self.seen = input.len();
                if parsed.is_err() {
                    // The response must not depend on the method of the last request.
                    self.keep_alive = false;
                    self.method = Method::GET;
                }
                if let Some(parsed) = parsed? {
                    self.seen = 0;
                    self.wire.input.consume(parsed.len);
                    let decoder = Decoder::new(parsed.framing, &self.wire.limits);
                    self.wire.receive(decoder);
                    self.method = parsed.head.method.clone();
                    self.version = parsed.head.version;
                    // A client that takes a tunnel for granted sends what belongs into it: if
                    // it is refused, that must not be the next request.
                    self.keep_alive = parsed.keep_alive && !parsed.head.is_tunnel();
                    return Poll::Ready(Ok(parsed.head));
                }
            }
            match ready!(self.wire.poll_receive(context)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(NoRequest::Closed)),
                Ok(_) => {}
            }
        }
    }

    /// Waits until the client goes away. It says so after its request only.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.wire.is_tunnel() {
            // The end of what the client sends may be half of the end only.
            return Poll::Pending;
        }
        // What comes behind the request is the next one, which can wait.
        while self.wire.decoder.is_finished() && self.wire.input.is_empty() {
            match ready!(self.wire.poll_receive(context)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Begins the response. An interim one may be followed by another.
    pub fn start(&mut self, head: &ResponseHead) {
        if !head.is_interim() {
            // Nobody waits for the rest of the request's body, as with Envoy.
            self.keep_alive &= self.wire.decoder.is_finished();
        }
        let options = ResponseOptions {
            method: self.method.clone(),
            version: self.version,
            keep_alive: self.keep_alive,
        };
        let (encoder, kept) = write_response(head, &options, self.wire.output.bytes());
        if !head.is_interim() {
            self.wire.encoder = encoder;
            self.keep_alive &= kept;
        }
    }

    /// Closes the connection after this response.
    pub fn close_after_response(&mut self) {
        self.keep_alive = false;
    }

    /// The response can't be completed: the connection will be reset, so that what was sent
    /// does not look complete.
    pub fn abort(&mut self) {
        self.keep_alive = false;
        self.is_aborted = true;
        reset_when_dropped(self.wire.io());
    }

    /// Whether the connection will be reset.
    pub fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    /// From here on there are bytes both ways.
    pub fn become_tunnel(&mut self) {
        self.keep_alive = false;
        self.wire.become_tunnel();
    }

    /// Whether the connection may have another request, now that the response has been sent.
    pub fn can_continue(&self) -> bool {
        self.keep_alive && self.wire.decoder.is_finished() && self.wire.output.is_empty()
    }

    /// Closes the connection, so that the client still gets what was sent: a socket that
    /// is closed with unread bytes resets the connection instead (RFC 9112, 9.6).
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.wire.close();
        let flushed = ready!(self.wire.poll_flush(context));
        flushed.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        loop {
            let unread = self.wire.input.bytes().len();
            self.wire.input.consume(unread);
            match ready!(self.wire.poll_receive(context)) {
                Ok(0) | Err(_) => return Poll::Ready(Ok(())),
                Ok(_) => {}
            }
        }
    }
}

impl OnWire for Server {
    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}
