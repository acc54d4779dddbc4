//! Passes a body from one side to the other.

use std::task::{Context, Poll, ready};

use crate::message::{Broken, FieldName, Fields, Piece, Sink, Source};

/// How many pieces are passed on before other tasks get their turn.
const TURNS: u32 = 16;

/// Passes on one body without buffering it: what can't be sent stays where it was received,
/// and the sender's window closes.
#[derive(Debug, Default)]
pub(super) struct Pump {
    state: State,
    /// Bytes of the body that have been passed on.
    pub bytes: u64,
    /// What the trailers say of the outcome of a gRPC call.
    pub grpc_status: Option<u32>,
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
        for _ in 0..TURNS {
            match self.state {
                State::Open => {
                    let Poll::Ready(piece) = source.poll_piece(context) else {
                        // What was written should not wait for what comes later.
                        let _ = sink.poll_flush(context).map_err(PumpError::Sink)?;
                        return Poll::Pending;
                    };
                    let consumed = match piece.map_err(PumpError::Source)? {
                        Piece::Data(data) => {
                            ready!(sink.poll_write(context, data)).map_err(PumpError::Sink)?
                        }
                        Piece::Trailers(trailers) => {
                            self.grpc_status = grpc_status(trailers);
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
                    self.bytes += u64::try_from(consumed).unwrap_or(u64::MAX);
                }
                State::Flushing => {
                    ready!(sink.poll_flush(context)).map_err(PumpError::Sink)?;
                    self.state = State::Done;
                }
                State::Done => return Poll::Ready(Ok(())),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The status of a gRPC call, which is in the trailers, or in a head without a body.
pub(super) fn grpc_status(fields: &Fields) -> Option<u32> {
    let text = fields.get(FieldName::GrpcStatus)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}
