//! The body that a stream receives.

use std::{
    collections::VecDeque,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use h2::RecvStream;

use super::{broken::broken, heads};
use crate::message::{Broken, Fields, Piece, TrailersOf};

/// A body, from the other side of a stream. Its window grows as it is consumed.
#[derive(Debug)]
pub(super) struct Receiving {
    of: TrailersOf,
    stream: RecvStream,
    /// What has not been consumed of the last frame.
    piece: Bytes,
    /// What has come behind it while nobody took it.
    behind: Option<Box<Behind>>,
    state: State,
    /// Fields that trailers may have.
    max_fields: usize,
}

/// Pieces that wait, of which small ones are put together.
#[derive(Debug, Default)]
struct Behind {
    whole: VecDeque<Bytes>,
    /// Behind all others.
    small: BytesMut,
}

impl Behind {
    /// A piece that is smaller costs more to keep than to copy: as h2 reckons.
    const SMALL: usize = 256;

    fn push(&mut self, piece: Bytes) {
        if piece.len() < Self::SMALL {
            self.small.extend_from_slice(&piece);
            return;
        }
        let small = self.small.split().freeze();
        self.whole
            .extend([small, piece].into_iter().filter(|piece| !piece.is_empty()));
    }

    fn next(&mut self) -> Option<Bytes> {
        let whole = self.whole.pop_front();
        let next = whole.unwrap_or_else(|| self.small.split().freeze());
        (!next.is_empty()).then_some(next)
    }
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
    /// The body of a request or of a response. `max_fields` is how many trailers there may be.
    pub fn new(of: TrailersOf, stream: RecvStream, max_fields: usize) -> Self {
        Self {
            of,
            stream,
            piece: Bytes::new(),
            behind: None,
            state: State::Data,
            max_fields,
        }
    }

    /// As [`crate::message::Source::poll_piece`].
    pub fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        while self.piece.is_empty() {
            if let Some(piece) = self.behind.as_mut().and_then(|behind| behind.next()) {
                self.piece = piece;
                break;
            }
            self.behind = None;
            match self.state {
                State::Data => self.state = ready!(self.poll_data(context)),
                State::Trailers => self.state = ready!(self.poll_trailers(context)),
                State::Ended(_) | State::Broken(_) => break,
            }
        }
        Poll::Ready(match &self.state {
            _ if !self.piece.is_empty() => Ok(Piece::Data(&self.piece)),
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

    /// As [`crate::message::Source::poll_behind`]: what h2 keeps in small frames costs a multiple of
    /// their bytes, for which it would end the connection. The window, which does not grow
    /// meanwhile, bounds what is taken.
    pub fn poll_behind(&mut self, context: &mut Context<'_>) {
        while matches!(self.state, State::Data) {
            match self.stream.poll_data(context) {
                Poll::Ready(Some(Ok(piece))) => self.behind.get_or_insert_default().push(piece),
                Poll::Ready(Some(Err(error))) => self.state = State::Broken(broken(&error)),
                Poll::Ready(None) => self.state = State::Trailers,
                Poll::Pending => return,
            }
        }
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
            Ok(Some(trailers)) => match heads::read_trailers(self.of, &trailers, self.max_fields) {
                Ok(trailers) => State::Ended(Some(trailers)),
                Err(why) => State::Broken(Broken::Protocol(why.as_str())),
            },
            Err(error) => State::Broken(broken(&error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_that_wait_are_put_together() {
        let mut behind = Behind::default();
        let long = Bytes::from(vec![b'l'; 300]);
        for piece in [&b"a"[..], b"", b"bc", &long, &long, b"d", b"e"] {
            behind.push(Bytes::copy_from_slice(piece));
        }
        for piece in [&b"abc"[..], &long, &long, b"de"] {
            assert_eq!(behind.next().unwrap(), piece);
        }
        assert_eq!(behind.next(), None);
        behind.push(Bytes::from_static(b"f"));
        assert_eq!(behind.next().unwrap(), &b"f"[..]);
    }
}
