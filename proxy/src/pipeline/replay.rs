//! A request's body that can be sent a second time.

use std::{
    cell::Cell,
    task::{Context, Poll, ready},
};

use crate::message::{Broken, Piece, Source};

/// At most so many bytes of a body are held.
pub(super) const MAX_HELD: usize = 64 * 1024;
/// At most so many bytes of all bodies of a worker.
const MAX_OF_WORKER: usize = 4 * 1024 * 1024;

/// What a worker may hold of bodies, besides what it does.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

/// The beginning of a body, for as long as it may have to be sent again.
#[derive(Debug)]
pub(super) struct Held<'a> {
    bytes: Vec<u8>,
    budget: &'a Budget,
    /// How much of it has been sent in this attempt.
    sent: usize,
    /// Something has been passed on that is not held.
    is_lost: bool,
}

/// A body whose beginning is held.
#[derive(Debug)]
pub(super) struct Replay<'a, 'b, S> {
    held: &'a mut Held<'b>,
    source: &'a mut S,
}

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(MAX_OF_WORKER))
    }
}

impl<'b> Held<'b> {
    /// Nothing yet.
    pub fn new(budget: &'b Budget) -> Self {
        Self {
            bytes: Vec::new(),
            budget,
            sent: 0,
            is_lost: false,
        }
    }

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
            self.give_back();
            self.sent = 0;
        }
    }

    /// Holds some of the bytes, as far as there is room for them, and says how many.
    fn hold(&mut self, data: &[u8]) -> usize {
        let Budget(left) = self.budget;
        let room = (MAX_HELD - self.bytes.len()).min(left.get());
        let taken = data.len().min(room);
        self.bytes.extend_from_slice(&data[..taken]);
        left.set(left.get() - taken);
        taken
    }

    fn give_back(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let Budget(left) = self.budget;
        left.set(left.get() + bytes.len());
    }

    /// The whole body: what is held, and behind it what comes from `source`.
    pub fn replay<'a, S: Source>(&'a mut self, source: &'a mut S) -> Replay<'a, 'b, S> {
        Replay { held: self, source }
    }

    fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl<S: Source> Source for Replay<'_, '_, S> {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece<'_>, Broken>> {
        if self.held.unsent().is_empty() && self.held.is_complete() {
            let taken = match ready!(self.source.poll_piece(context))? {
                Piece::Data(data) => self.held.hold(data),
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

    fn poll_behind(&mut self, context: &mut Context<'_>) {
        self.source.poll_behind(context);
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
        let budget = Budget::default();
        let mut held = Held::new(&budget);
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
        let budget = Budget::default();
        let mut held = Held::new(&budget);
        assert_eq!(take(&mut held.replay(&mut parts), MAX_HELD), long);
        assert!(held.is_complete());
        assert_eq!(take(&mut held.replay(&mut parts), 1), b"y");
        assert!(!held.is_complete());
        assert_eq!(held.bytes.capacity(), 0);
        assert_eq!(take(&mut held.replay(&mut parts), 100), b"z");
    }

    #[test]
    fn a_worker_holds_no_more_than_it_may() {
        let budget = Budget(Cell::new(6));
        let mut parts = Parts(vec![b"some".to_vec(), b"thing".to_vec()]);
        let mut held = Held::new(&budget);
        assert_eq!(take(&mut held.replay(&mut parts), 6), b"someth");
        assert!(held.is_complete());
        assert_eq!(budget.0.get(), 0);
        assert_eq!(take(&mut held.replay(&mut parts), 100), b"ing");
        assert!(!held.is_complete());
        assert_eq!(budget.0.get(), 6);

        let mut parts = Parts(vec![b"some".to_vec()]);
        let mut held = Held::new(&budget);
        assert_eq!(take(&mut held.replay(&mut parts), 4), b"some");
        drop(held);
        assert_eq!(budget.0.get(), 6);
    }

    #[test]
    fn nothing_more_is_held_once_there_is_no_other_attempt() {
        let mut parts = Parts(vec![b"some".to_vec(), b"thing".to_vec()]);
        let budget = Budget::default();
        let mut held = Held::new(&budget);
        assert_eq!(take(&mut held.replay(&mut parts), 2), b"so");
        held.stop();
        assert_eq!(take(&mut held.replay(&mut parts), 100), b"mething");
        assert_eq!(held.bytes.capacity(), 0);

        let mut parts = Parts(vec![b"some".to_vec(), b"thing".to_vec()]);
        let budget = Budget::default();
        let mut held = Held::new(&budget);
        assert_eq!(take(&mut held.replay(&mut parts), 4), b"some");
        held.stop();
        assert_eq!(held.bytes.capacity(), 0);
    }
}
