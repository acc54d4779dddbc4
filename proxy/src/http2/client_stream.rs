//! One request to a server of HTTP/2, and its response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::Response;

use super::{
    broken::{broken, is_unprocessed},
    heads::{self, Asked},
    places::Place,
    receiving::Receiving,
    sending::Sending,
    wire::Tally,
};
use crate::{
    bounds::INTERIM_RESPONSES,
    message::{Broken, Fields, Piece, RequestHead, ResponseHead, Sink, Source, TrailersOf},
};

/// A stream that we have opened: the sink of the request's body, and the source of the
/// response's.
#[derive(Debug)]
pub(crate) struct ClientStream {
    asked: Asked,
    request: Sending,
    waiting: ResponseFuture,
    interim: u32,
    /// After the response's head.
    response: Option<Receiving>,
    max_fields: usize,
    tally: Arc<Tally>,
    /// What the connection had written before the request was queued.
    written: u64,
    unprocessed: bool,
    /// Makes room for another stream when this one is dropped.
    _place: Place,
}

/// A request that h2 has queued.
#[derive(Debug)]
pub(super) struct Queued {
    pub response: ResponseFuture,
    pub stream: SendStream<Bytes>,
    /// The head was all of it.
    pub ended: bool,
    /// What the connection had written before.
    pub written: u64,
    pub place: Place,
}

impl ClientStream {
    pub(super) fn new(
        head: &RequestHead,
        queued: Queued,
        tally: Arc<Tally>,
        max_fields: usize,
    ) -> Self {
        let Queued { stream, ended, .. } = queued;
        Self {
            asked: Asked::of(head),
            request: Sending::opening(stream, head.body, ended, Arc::clone(&tally)),
            waiting: queued.response,
            interim: 0,
            response: None,
            max_fields,
            tally,
            written: queued.written,
            unprocessed: false,
            _place: queued.place,
        }
    }

    /// The next head of the response: interim ones, then the final one, with which its
    /// body begins. After that one it fails.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<ResponseHead, Broken>> {
        if self.response.is_some() {
            let why = "head_read_twice";
            return Poll::Ready(Err(Broken::Protocol(why)));
        }
        let head = match ready!(self.waiting.poll_informational(context)) {
            Some(Ok(response)) => self.interim(response),
            Some(Err(error)) => Err(self.failed(&error)),
            None => match ready!(Pin::new(&mut self.waiting).poll(context)) {
                Ok(response) => self.started(response),
                Err(error) => Err(self.failed(&error)),
            },
        };
        if let Err(Broken::Protocol(_)) = head {
            self.request.reset(Reason::PROTOCOL_ERROR);
        }
        Poll::Ready(head)
    }

    /// After an error: whether the server can't have processed the request, so that it may
    /// be sent again, whatever its method (RFC 9113, 8.7).
    pub fn is_unprocessed(&self) -> bool {
        self.unprocessed
    }

    /// Ends the stream before its time, with an error code of HTTP/2 (RFC 9113, 7).
    #[cfg(test)]
    pub fn reset(&mut self, code: u32) {
        self.request.reset(Reason::from(code));
    }

    fn interim(&mut self, response: Response<()>) -> Result<ResponseHead, Broken> {
        self.interim += 1;
        if self.interim > INTERIM_RESPONSES {
            return Err(Broken::Protocol("too_many_interim_responses"));
        }
        self.read(response, false)
    }

    fn started(&mut self, response: Response<RecvStream>) -> Result<ResponseHead, Broken> {
        let (parts, body) = response.into_parts();
        let head = self.read(Response::from_parts(parts, ()), body.is_end_stream())?;
        let received = Receiving::new(TrailersOf::Response, body, self.max_fields);
        self.response = Some(received);
        Ok(head)
    }

    fn read(&self, response: Response<()>, ended: bool) -> Result<ResponseHead, Broken> {
        heads::read_response(response, ended, &self.asked, self.max_fields)
            .map_err(|bad| Broken::Protocol(bad.as_str()))
    }

    /// Learns from a request that can't be sent why not: the response has the reason.
    fn checked<T>(&mut self, sent: Result<T, Broken>) -> Result<T, Broken> {
        if let Err(Broken::Reset(_) | Broken::Closed) = sent
            && self.response.is_none()
        {
            // What has failed is ready at once, and nobody has to be woken.
            let mut context = Context::from_waker(Waker::noop());
            let polled = self.waiting.poll_informational(&mut context);
            if let Poll::Ready(Some(Err(error))) = polled {
                return Err(self.failed(&error));
            }
        }
        sent
    }

    fn failed(&mut self, error: &h2::Error) -> Broken {
        let nothing_was_written = self.tally.written() == self.written;
        self.unprocessed = nothing_was_written || is_unprocessed(error);
        self.tally
            .alert()
            .map_or_else(|| broken(error), Broken::Alert)
    }
}

impl Source for ClientStream {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        match &mut self.response {
            Some(response) => response.poll_piece(context),
            None => {
                let why = "head_not_read";
                Poll::Ready(Err(Broken::Protocol(why)))
            }
        }
    }

    fn consume(&mut self, bytes: usize) {
        if let Some(response) = &mut self.response {
            response.consume(bytes);
        }
    }

    fn poll_behind(&mut self, context: &mut Context<'_>) {
        if let Some(response) = &mut self.response {
            response.poll_behind(context);
        }
    }
}

impl Sink for ClientStream {
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Broken>> {
        let written = ready!(self.request.poll_write(context, data));
        Poll::Ready(self.checked(written))
    }

    fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), Broken> {
        let finished = self.request.finish(trailers);
        self.checked(finished)
    }

    /// h2 sends when the connection is polled: it is ready at once.
    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let flushed = self.request.flush();
        Poll::Ready(self.checked(flushed))
    }
}
