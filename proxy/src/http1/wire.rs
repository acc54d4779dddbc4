//! One connection of HTTP/1: a socket, and the codec's state in each direction.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite as _;

use super::{Decoder, Encoder, Framing, Limits, Step};
use crate::{
    message::{Broken, Fields, Piece, Sink, Source},
    net::{input::Input, output::Output, stream::Stream},
};

/// A piece of at least so many bytes is sent from where it was received. A smaller one is
/// copied: it costs less than a system call, and goes out with what comes before it.
const DIRECT: usize = 2048;
/// With less room than that, what waits is sent first.
const MIN_ROOM: usize = 512;

/// A connection: the message that it receives, and the one that it sends.
#[derive(Debug)]
pub(super) struct Wire {
    io: Stream,
    pub input: Input,
    pub output: Output,
    pub limits: Limits,
    pub decoder: Decoder,
    pub encoder: Encoder,
    trailers: Option<Fields>,
    /// The other side sends no more.
    ended: bool,
    /// The sending side is closed after what waits, and after that.
    closing: Closing,
    tunnel: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    Wanted,
    Done,
}

impl Wire {
    pub fn new(io: Stream, input: Input) -> Self {
        let limits = Limits::default();
        Self {
            io,
            input,
            output: Output::default(),
            decoder: Decoder::new(Framing::Empty, &limits),
            encoder: Encoder::of_length(0),
            limits,
            trailers: None,
            ended: false,
            closing: Closing::No,
            tunnel: false,
        }
    }

    /// The socket.
    pub fn io(&self) -> &Stream {
        &self.io
    }

    /// Starts to receive a body.
    pub fn receive(&mut self, decoder: Decoder) {
        self.trailers = None;
        self.decoder = decoder;
    }

    /// From here on there are no messages any more, but bytes, and each direction ends by itself.
    pub fn become_tunnel(&mut self) {
        self.receive(Decoder::new(Framing::Tunnel, &self.limits));
        self.encoder = Encoder::until_close();
        self.tunnel = true;
    }

    /// Whether there are no messages any more.
    pub fn is_tunnel(&self) -> bool {
        self.tunnel
    }

    /// Closes the sending side behind what waits.
    pub fn close(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::Wanted;
        }
    }

    /// Receives more, and says how much: 0 when the other side has ended.
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let received = ready!(self.input.poll_receive(&mut self.io, context));
        let received = received.map_err(|error| Broken::of_io(&error))?;
        self.ended = received == 0;
        Poll::Ready(Ok(received))
    }

    /// Looks for the length of the next piece, `None` at the end of the body.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<usize>, Broken>> {
        while !self.decoder.is_finished() {
            let step = self.decoder.next(self.input.bytes());
            match step.map_err(|bad| Broken::Refused(bad.as_str()))? {
                Step::Data { skip, len } => {
                    self.input.consume(skip);
                    return Poll::Ready(Ok(Some(len)));
                }
                Step::End { skip, trailers } => {
                    self.input.consume(skip);
                    self.trailers = trailers;
                }
                Step::More { skip } => {
                    self.input.consume(skip);
                    if ready!(self.poll_receive(context))? == 0 {
                        self.decoder.end_of_input().map_err(|_| Broken::Closed)?;
                    }
                }
            }
        }
        Poll::Ready(Ok(None))
    }
}

/// A side of a connection, whose messages are received and sent by its wire.
pub(super) trait OnWire {
    fn wire(&mut self) -> &mut Wire;
}

impl OnWire for Wire {
    fn wire(&mut self) -> &mut Self {
        self
    }
}

impl<T: OnWire> Source for T {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        let wire = self.wire();
        let len = ready!(wire.poll_body(context))?;
        Poll::Ready(Ok(match (len, &wire.trailers) {
            (Some(len), _) => Piece::Data(&wire.input.bytes()[..len]),
            (None, Some(trailers)) => Piece::Trailers(trailers),
            (None, None) => Piece::End,
        }))
    }

    fn consume(&mut self, bytes: usize) {
        let wire = self.wire();
        wire.decoder.consumed(bytes);
        wire.input.consume(bytes);
    }
}

impl<T: OnWire> Sink for T {
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Broken>> {
        let wire = self.wire();
        if !wire.encoder.has_room(data.len()) {
            // Not a byte of it goes out: the other side would take it for another message.
            return Poll::Ready(Err(WRONG_LENGTH));
        }
        if wire.output.room() < MIN_ROOM {
            let sent = ready!(wire.output.poll_send(&mut wire.io, context));
            sent.map_err(|error| Broken::of_io(&error))?;
        }
        if data.len() >= DIRECT && wire.encoder.is_identity() {
            let sent = ready!(wire.output.poll_send_with(data, &mut wire.io, context));
            let sent = sent.map_err(|error| Broken::of_io(&error))?;
            wire.encoder.wrote(sent).map_err(|_| WRONG_LENGTH)?;
            return Poll::Ready(Ok(sent));
        }
        let taken = data.len().min(wire.output.room());
        let written = wire.encoder.write(&data[..taken], wire.output.bytes());
        written.map_err(|_| WRONG_LENGTH)?;
        Poll::Ready(Ok(taken))
    }

    fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), Broken> {
        let wire = self.wire();
        if wire.tunnel {
            wire.close();
            return Ok(());
        }
        let finished = wire.encoder.finish(trailers, wire.output.bytes());
        finished.map_err(|_| WRONG_LENGTH)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let wire = self.wire();
        let sent = ready!(wire.output.poll_send(&mut wire.io, context));
        sent.map_err(|error| Broken::of_io(&error))?;
        if wire.closing == Closing::Wanted {
            // The other side may have gone; then it hears nothing, either.
            let _ = ready!(Pin::new(&mut wire.io).poll_shutdown(context));
            wire.closing = Closing::Done;
        }
        Poll::Ready(Ok(()))
    }
}

/// Of a response of HTTP/2 that HTTP/1 can't frame as its head says. What comes by HTTP/1 has its length.
const WRONG_LENGTH: Broken = Broken::Refused("body_length_mismatch");
