//! One request from a client of HTTP/2, and its response.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, server::SendResponse};

use super::{
    broken::broken,
    heads::{self, Asked},
    receiving::Receiving,
    sending::Sending,
    wire::Tally,
};
use crate::message::{Broken, Fields, Piece, ResponseHead, Sink, Source};

/// A stream that a client has opened: the source of its request's body, and the sink of
/// the response's.
#[derive(Debug)]
pub(crate) struct ServerStream {
    asked: Asked,
    request: Receiving,
    respond: SendResponse<Bytes>,
    /// After the response's head.
    response: Option<Sending>,
    tally: Arc<Tally>,
}

impl ServerStream {
    pub(super) fn new(
        asked: Asked,
        request: Receiving,
        respond: SendResponse<Bytes>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            asked,
            request,
            respond,
            response: None,
            tally,
        }
    }

    /// Sends the head of an interim response (1xx, but not 101).
    ///
    /// # Errors
    ///
    /// When the stream or the connection has ended, or the response has started.
    pub fn interim(&mut self, head: &ResponseHead) -> Result<(), Broken> {
        if self.response.is_some() || !head.is_interim() {
            return Err(Broken::Protocol("interim_response_out_of_place"));
        }
        let (response, _) = heads::write_response(head, &self.asked)?;
        let sent = self.respond.send_informational(response);
        sent.map_err(|error| broken(&error))
    }

    /// Sends the head of the response. With an empty body it is also its end.
    ///
    /// # Errors
    ///
    /// When the stream or the connection has ended, the response has started before, or the
    /// head can't be carried by HTTP/2: 101 without an upgrade, 2xx with one.
    pub fn start(&mut self, head: &ResponseHead) -> Result<(), Broken> {
        if self.response.is_some() || head.is_interim() {
            return Err(Broken::Protocol("response_out_of_place"));
        }
        let (response, ended) = heads::write_response(head, &self.asked)?;
        let stream = self
            .respond
            .send_response(response, ended)
            .map_err(|error| broken(&error))?;
        let tally = Arc::clone(&self.tally);
        self.response = Some(Sending::new(stream, head.body, ended, tally));
        Ok(())
    }

    /// Waits until the client has reset the stream, or its connection has ended. What it sends
    /// meanwhile is taken as by [`Source::poll_behind`].
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        self.poll_behind(context);
        self.poll_reset(context)
    }

    /// As [`Self::poll_gone`], and takes nothing.
    pub(super) fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        if let Some(response) = &mut self.response {
            return response.poll_gone(context);
        }
        Poll::Ready(match ready!(self.respond.poll_reset(context)) {
            Ok(code) => Broken::Reset(code.into()),
            Err(error) => broken(&error),
        })
    }

    /// Ends the stream before its time, with an error code of HTTP/2 (RFC 9113, 7).
    pub fn reset(&mut self, code: u32) {
        let code = Reason::from(code);
        match &mut self.response {
            Some(response) => response.reset(code),
            None => self.respond.send_reset(code),
        }
    }

    /// Tells the client to send its next requests on another connection.
    pub fn close_after_response(&self) {
        self.tally.leave();
    }

    fn response(&mut self) -> Result<&mut Sending, Broken> {
        let why = Broken::Protocol("response_not_started");
        self.response.as_mut().ok_or(why)
    }
}

impl Source for ServerStream {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        self.request.poll_piece(context)
    }

    fn consume(&mut self, bytes: usize) {
        self.request.consume(bytes);
    }

    fn poll_behind(&mut self, context: &mut Context<'_>) {
        self.request.poll_behind(context);
    }
}

impl Sink for ServerStream {
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Broken>> {
        self.response()?.poll_write(context, data)
    }

    fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), Broken> {
        self.response()?.finish(trailers)
    }

    /// h2 sends when the connection is polled: it is ready at once, also after an interim
    /// response.
    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(self.response.as_mut().map_or(Ok(()), Sending::flush))
    }
}
