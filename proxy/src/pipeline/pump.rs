//! Passes a body from one side to the other.

use std::task::{Context, Poll, ready};

use crate::{
    message::{Broken, FieldName, Fields, Piece, Sink, Source},
    net::turn::Turn,
};

/// Passes on one body without buffering it: what can't be sent stays where it was received,
/// and the sender's window closes.
#[derive(Debug, Default)]
pub(super) struct Pump {
    state: State,
    /// Bytes of the body that have been passed on.
    pub bytes: u64,
    /// What the trailers say of the outcome of a gRPC call.
    pub grpc_status: Option<u32>,
    /// Whether anybody reads the following: it would be copied for each call that fails.
    pub wants_grpc_message: bool,
    /// Why it has failed, in the server's words.
    pub grpc_message: Option<Box<[u8]>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The end is written, and has to be sent.
    Flushing,
    Done,
}

/// The side that broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PumpError {
    Source(Broken),
    Sink(Broken),
}

impl Pump {
    /// Passes on what there is. Ready at the end of the body.
    ///
    /// # Errors
    ///
    /// When one side breaks off.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), PumpError>> {
        let mut turn = Turn::new();
        while turn.goes_on() {
            match self.state {
                State::Open => {
                    let Poll::Ready(piece) = source.poll_piece(context) else {
                        // What was written should not wait for what comes later.
                        let _ = sink.poll_flush(context).map_err(PumpError::Sink)?;
                        return Poll::Pending;
                    };
                    let consumed = match piece.map_err(PumpError::Source)? {
                        Piece::Data(data) => {
                            let Poll::Ready(written) = sink.poll_write(context, data) else {
                                source.poll_behind(context);
                                return Poll::Pending;
                            };
                            written.map_err(PumpError::Sink)?
                        }
                        Piece::Trailers(trailers) => {
                            self.read_trailers(trailers);
                            sink.finish(Some(trailers)).map_err(PumpError::Sink)?;
                            0
                        }
                        Piece::End => {
                            sink.finish(None).map_err(PumpError::Sink)?;
                            0
                        }
                    };
                    if consumed == 0 {
                        self.state = State::Flushing;
                        continue;
                    }
                    source.consume(consumed);
                    turn.pass(consumed);
                    self.bytes += u64::try_from(consumed).unwrap_or(u64::MAX);
                }
                State::Flushing => {
                    ready!(sink.poll_flush(context)).map_err(PumpError::Sink)?;
                    self.state = State::Done;
                }
                State::Done => return Poll::Ready(Ok(())),
            }
        }
        // Small pieces may come faster than turns.
        source.poll_behind(context);
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn read_trailers(&mut self, trailers: &Fields) {
        self.grpc_status = grpc_status(trailers);
        let has_failed = self.grpc_status.is_some_and(|status| status != 0);
        if self.wants_grpc_message && has_failed {
            let message = trailers.find(GRPC_MESSAGE);
            self.grpc_message = message.map(|text| text[..text.len().min(MAX_MESSAGE)].into());
        }
    }
}

/// What a server says of a failed call of gRPC.
pub(super) const GRPC_MESSAGE: &[u8] = b"grpc-message";
/// Bytes of it that a span says, as of any value.
const MAX_MESSAGE: usize = 1024;

/// The status of a gRPC call, which is in the trailers, or in a head without a body.
pub(super) fn grpc_status(fields: &Fields) -> Option<u32> {
    let text = fields.get(FieldName::GrpcStatus)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A body without end, in pieces of that size, and whoever takes all of it.
    struct Endless(Vec<u8>);

    impl Source for Endless {
        fn poll_piece(&mut self, _context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
            Poll::Ready(Ok(Piece::Data(&self.0)))
        }

        fn consume(&mut self, _bytes: usize) {}
    }

    struct Everything;

    impl Sink for Everything {
        fn poll_write(
            &mut self,
            _context: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<Result<usize, Broken>> {
            Poll::Ready(Ok(data.len()))
        }

        fn finish(&mut self, _trailers: Option<&Fields>) -> Result<(), Broken> {
            Ok(())
        }

        fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A call that has failed: trailers alone.
    struct Failed(Fields);

    impl Source for Failed {
        fn poll_piece(&mut self, _context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
            Poll::Ready(Ok(Piece::Trailers(&self.0)))
        }

        fn consume(&mut self, _bytes: usize) {}
    }

    #[test]
    fn why_a_call_has_failed_is_kept_for_who_wants_it() {
        let kept = |wants_grpc_message, status: &[u8]| {
            let mut trailers = Fields::default();
            trailers.push(b"grpc-status", status);
            trailers.push(GRPC_MESSAGE, &[b'x'; 2000]);
            let mut pump = Pump {
                wants_grpc_message,
                ..Pump::default()
            };
            let mut context = Context::from_waker(Waker::noop());
            let polled = pump.poll(&mut context, &mut Failed(trailers), &mut Everything);
            assert!(polled.is_ready() && pump.grpc_status.is_some());
            pump.grpc_message.map(|message| message.len())
        };
        assert_eq!(kept(true, b"13"), Some(1024));
        assert_eq!((kept(true, b"0"), kept(false, b"13")), (None, None));
    }

    #[test]
    fn others_get_their_turn_after_256_kib() {
        for (piece, passed) in [(1, 16), (16 * 1024, 256 * 1024), (128 * 1024, 256 * 1024)] {
            let mut pump = Pump::default();
            let mut context = Context::from_waker(Waker::noop());
            let mut source = Endless(vec![0; piece]);
            let polled = pump.poll(&mut context, &mut source, &mut Everything);
            assert!(polled.is_pending());
            assert_eq!(pump.bytes, passed);
        }
    }
}
