//! The body that a stream sends.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};

use super::{
    broken::broken,
    heads,
    limits::{DATA, FIRST, FRAME, MESSAGE},
    wire::Tally,
};
use crate::message::{BodySize, Broken, Fields};

/// A body, to the other side of a stream.
///
/// h2 writes it, with what other streams send, when the connection is polled next.
#[derive(Debug)]
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    /// The last piece, for which there is room. It waits until something follows it, so
    /// that the end needs no frame of its own.
    held: Bytes,
    /// Bytes that the head has announced and that have not been written.
    left: Option<u64>,
    /// The head may still wait in h2, which gives a stream no room before it has opened it.
    is_opening: bool,
    ended: bool,
    tally: Arc<Tally>,
}

impl Sending {
    /// The body of a stream that is being opened by this side. A short first piece waits for no room,
    /// so that it leaves together with the head.
    pub fn opening(
        stream: SendStream<Bytes>,
        size: BodySize,
        ended: bool,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            is_opening: true,
            ..Self::new(stream, size, ended, tally)
        }
    }

    /// `ended`: the head was the end of the stream, too.
    pub fn new(stream: SendStream<Bytes>, size: BodySize, ended: bool, tally: Arc<Tally>) -> Self {
        let mut sending = Self {
            stream,
            held: Bytes::new(),
            left: match size {
                BodySize::Length(bytes) => Some(bytes),
                BodySize::Empty | BodySize::Unknown => None,
            },
            is_opening: false,
            ended: false,
            tally,
        };
        if ended {
            sending.end();
        }
        sending
    }

    /// As [`crate::message::Sink::poll_write`].
    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize, Broken>> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        if self.ended || self.left.is_some_and(|left| left < length) {
            let why = "body_length_mismatch";
            return Poll::Ready(Err(Broken::Protocol(why)));
        }
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send_held()?;
        let room = ready!(self.poll_room(context, data.len()))?;
        let (piece, _) = data.split_at(room.min(data.len()));
        self.held = Bytes::copy_from_slice(piece);
        if let Some(left) = &mut self.left {
            *left -= u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Poll::Ready(Ok(piece.len()))
    }

    /// As [`crate::message::Sink::finish`].
    pub fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), Broken> {
        if self.ended {
            return Ok(());
        }
        if self.left.is_some_and(|left| left > 0) {
            self.reset(Reason::INTERNAL_ERROR);
            return Err(Broken::Protocol("body_length_mismatch"));
        }
        let sent = match trailers.filter(|trailers| !trailers.is_empty()) {
            None => {
                let last = std::mem::take(&mut self.held);
                self.stream.send_data(last, true)
            }
            Some(trailers) => {
                let trailers = heads::write_trailers(trailers)?;
                self.send_held()?;
                self.stream.send_trailers(trailers)
            }
        };
        match sent {
            Ok(()) => {
                self.end();
                Ok(())
            }
            Err(_) => Err(self.why()),
        }
    }

    /// Gives what is held to h2.
    pub fn flush(&mut self) -> Result<(), Broken> {
        self.send_held()
    }

    /// Waits until the stream has been reset, or the connection has ended.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        Poll::Ready(match ready!(self.stream.poll_reset(context)) {
            Ok(code) => Broken::Reset(code.into()),
            Err(error) => broken(&error),
        })
    }

    /// Ends the stream before its time.
    pub fn reset(&mut self, code: Reason) {
        self.held = Bytes::new();
        self.ended = true;
        self.stream.send_reset(code);
    }

    /// Waits for room in both windows and in h2's buffer, for at most so many bytes.
    fn poll_room(&mut self, context: &mut Context<'_>, want: usize) -> Poll<Result<usize, Broken>> {
        if std::mem::take(&mut self.is_opening) && want <= FIRST {
            return Poll::Ready(Ok(want));
        }
        let frame = usize::try_from(FRAME).unwrap_or(usize::MAX);
        self.stream.reserve_capacity(want.min(frame));
        let mut room = self.stream.capacity();
        while room == 0 {
            room = match ready!(self.stream.poll_capacity(context)) {
                Some(Ok(room)) => room,
                Some(Err(error)) => return Poll::Ready(Err(broken(&error))),
                None => return Poll::Ready(Err(self.why())),
            };
        }
        Poll::Ready(Ok(room.min(frame)))
    }

    fn send_held(&mut self) -> Result<(), Broken> {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        if self.stream.send_data(held, false).is_err() {
            return Err(self.why());
        }
        self.tally.add(DATA);
        Ok(())
    }

    fn end(&mut self) {
        self.ended = true;
        self.tally.add(MESSAGE);
    }

    /// Why nothing can be sent any more.
    fn why(&mut self) -> Broken {
        // A stream that has ended says so at once: nobody has to be woken.
        match self.poll_gone(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(why) => why,
            Poll::Pending => Broken::Closed,
        }
    }
}
