//! The body that a stream receives.

use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::RecvStream;

use super::{broken::broken, heads};
use crate::message::{Broken, Fields, Piece};

/// A body, from the other side of a stream. Its window grows as it is consumed.
#[derive(Debug)]
pub(super) struct Receiving {
    stream: RecvStream,
    /// What has not been consumed of the last frame.
    piece: Bytes,
    state: State,
    /// Fields that trailers may have.
    max_fields: usize,
}

#[derive(Debug)]
enum State {
    Data,
    /// All data has come; trailers may.
    Trailers,
    Ended(Option<Fields>),
    Broken(Broken),
}

impl Receiving {
    /// `max_fields` is how many trailers there may be.
    pub fn new(stream: RecvStream, max_fields: usize) -> Self {
        Self {
            stream,
            piece: Bytes::new(),
            state: State::Data,
            max_fields,
        }
    }

    /// As [`crate::message::Source::poll_piece`].
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        while self.piece.is_empty() {
            match self.state {
                State::Data => self.state = ready!(self.poll_data(context)),
                State::Trailers => self.state = ready!(self.poll_trailers(context)),
                State::Ended(_) | State::Broken(_) => break,
            }
        }
        Poll::Ready(match &self.state {
            State::Broken(why) => Err(why.clone()),
            State::Ended(None) => Ok(Piece::End),
            State::Ended(Some(trailers)) => Ok(Piece::Trailers(trailers)),
            State::Data | State::Trailers => Ok(Piece::Data(&self.piece)),
        })
    }

    /// As [`crate::message::Source::consume`].
    pub fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.piece.len());
        self.piece.advance(bytes);
        // It fails only for more than was received.
        let _ = self.stream.flow_control().release_capacity(bytes);
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<State> {
        Poll::Ready(match ready!(self.stream.poll_data(context)) {
            Some(Ok(piece)) => {
                self.piece = piece;
                State::Data
            }
            Some(Err(error)) => State::Broken(broken(&error)),
            None => State::Trailers,
        })
    }

    fn poll_trailers(&mut self, context: &mut Context<'_>) -> Poll<State> {
        Poll::Ready(match ready!(self.stream.poll_trailers(context)) {
            Ok(None) => State::Ended(None),
            Ok(Some(trailers)) => match heads::read_trailers(&trailers, self.max_fields) {
                Ok(trailers) => State::Ended(Some(trailers)),
                Err(why) => State::Broken(Broken::Protocol(why.as_str())),
            },
            Err(error) => State::Broken(broken(&error)),
        })
    }
}
