//! A request's body that can be sent a second time.

use std::task::{Context, Poll, ready};

use crate::message::{Broken, Piece, Source};

/// At most so many bytes are held.
pub(super) const MAX_HELD: usize = 64 * 1024;

/// The beginning of a body, for as long as it may have to be sent again.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// How much of it has been sent in this attempt.
    sent: usize,
    /// Something has been passed on that is not held.
    is_lost: bool,
}

/// A body whose beginning is held.
#[derive(Debug)]
pub(super) struct Replay<'a, S> {
    held: &'a mut Held,
    source: &'a mut S,
}

impl Held {
    /// Whether everything that has been received can be sent again.
    pub fn is_complete(&self) -> bool {
        !self.is_lost
    }

    /// Begins again, for another attempt.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Holds nothing more: there will be no other attempt.
    pub fn stop(&mut self) {
        self.is_lost = true;
        self.free_sent();
    }

    /// What is sent and not for another attempt would stay for as long as the body flows.
    fn free_sent(&mut self) {
        if self.is_lost && self.unsent().is_empty() {
            self.bytes = Vec::new();
            self.sent = 0;
        }
    }

    /// The whole body: what is held, and behind it what comes from `source`.
    pub fn replay<'a, S: Source>(&'a mut self, source: &'a mut S) -> Replay<'a, S> {
        Replay { held: self, source }
    }

    fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }
}

impl<S: Source> Source for Replay<'_, S> {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        if self.held.unsent().is_empty() && self.held.is_complete() {
            let room = MAX_HELD - self.held.bytes.len();
            let taken = match ready!(self.source.poll_piece(context))? {
                Piece::Data(data) => {
                    let taken = data.len().min(room);
                    self.held.bytes.extend_from_slice(&data[..taken]);
                    taken
                }
                Piece::Trailers(_) | Piece::End => 0,
            };
            if taken > 0 {
                self.source.consume(taken);
            }
        }
        if self.held.unsent().is_empty() {
            return self.source.poll_piece(context);
        }
        Poll::Ready(Ok(Piece::Data(self.held.unsent())))
    }

    fn consume(&mut self, bytes: usize) {
        if self.held.unsent().is_empty() {
            self.held.stop();
            self.source.consume(bytes);
            return;
        }
        self.held.sent += bytes;
        self.held.free_sent();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    struct Parts(Vec<Vec<u8>>);

    impl Source for Parts {
        fn poll_piece(&mut self, _context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
            Poll::Ready(Ok(self
                .0
                .first()
                .map_or(Piece::End, |part| Piece::Data(part))))
        }

        fn consume(&mut self, bytes: usize) {
            self.0[0].drain(..bytes);
            self.0.retain(|part| !part.is_empty());
        }
    }

    /// Takes so many bytes from a body, at most.
    fn take(source: &mut impl Source, mut most: usize) -> Vec<u8> {
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        while most > 0 {
            let Poll::Ready(Ok(Piece::Data(data))) = source.poll_piece(&mut context) else {
                break;
            };
            let len = data.len().min(most);
            taken.extend_from_slice(&data[..len]);
            source.consume(len);
            most -= len;
        }
        taken
    }

    #[test]
    fn a_short_body_is_sent_again() {
        let mut parts = Parts(vec![b"some".to_vec(), b"thing".to_vec()]);
        let mut held = Held::default();
        assert_eq!(take(&mut held.replay(&mut parts), 6), b"someth");
        assert!(held.is_complete());
        held.rewind();
        assert_eq!(take(&mut held.replay(&mut parts), 100), b"something");
        held.rewind();
        assert_eq!(take(&mut held.replay(&mut parts), 100), b"something");
    }

    #[test]
    fn a_long_body_is_not_held_whole() {
        let long = vec![b'x'; MAX_HELD];
        let mut parts = Parts(vec![long.clone(), b"yz".to_vec()]);
        let mut held = Held::default();
        assert_eq!(take(&mut held.replay(&mut parts), MAX_HELD), long);
        assert!(held.is_complete());
        assert_eq!(take(&mut held.replay(&mut parts), 1), b"y");
        assert!(!held.is_complete());
        assert_eq!(held.bytes.capacity(), 0);
        assert_eq!(take(&mut held.replay(&mut parts), 100), b"z");
    }

    #[test]
    fn nothing_more_is_held_once_there_is_no_other_attempt() {
        let mut parts = Parts(vec![b"some".to_vec(), b"thing".to_vec()]);
        let mut held = Held::default();
        assert_eq!(take(&mut held.replay(&mut parts), 2), b"so");
        held.stop();
        assert_eq!(take(&mut held.replay(&mut parts), 100), b"mething");
        assert_eq!(held.bytes.capacity(), 0);

        let mut parts = Parts(vec![b"some".to_vec(), b"thing".to_vec()]);
        let mut held = Held::default();
        assert_eq!(take(&mut held.replay(&mut parts), 4), b"some");
        held.stop();
        assert_eq!(held.bytes.capacity(), 0);
    }
}
