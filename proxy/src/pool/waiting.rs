//! Requests that wait for a connection, because there may not be another one.

use std::collections::VecDeque;

use hashbrown::HashMap;
use tokio::sync::oneshot::{self, Receiver, Sender};

use super::Destination;

/// A worker's requests that wait, those to one destination in their order.
#[derive(Debug)]
pub(super) struct Waiting<C> {
    by_destination: HashMap<Destination, VecDeque<Sender<C>>>,
}

impl<C> Default for Waiting<C> {
    fn default() -> Self {
        Self {
            by_destination: HashMap::new(),
        }
    }
}

impl<C> Waiting<C> {
    /// Another one waits.
    pub fn add(&mut self, destination: Destination) -> Receiver<C> {
        let (sender, receiver) = oneshot::channel();
        let queue = self.by_destination.entry(destination).or_default();
        queue.push_back(sender);
        receiver
    }

    /// Gives a connection to the first that still waits, or back.
    pub fn give(&mut self, destination: Destination, mut connection: C) -> Option<C> {
        let Some(queue) = self.by_destination.get_mut(&destination) else {
            return Some(connection);
        };
        while let Some(sender) = queue.pop_front() {
            match sender.send(connection) {
                Ok(()) => return None,
                Err(back) => connection = back,
            }
        }
        Some(connection)
    }

    /// Forgets those that have stopped waiting.
    pub fn sweep(&mut self) {
        self.by_destination.retain(|_, queue| {
            queue.retain(|sender| !sender.is_closed());
            !queue.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination() -> Destination {
        Destination {
            address: ([10, 0, 0, 1], 80).into(),
            source: None,
            mark: 0,
            secured: None,
        }
    }

    #[test]
    fn the_first_that_still_waits_gets_the_connection() {
        let mut waiting = Waiting::default();
        let gone = waiting.add(destination());
        let mut second = waiting.add(destination());
        let mut third = waiting.add(destination());
        drop(gone);
        assert_eq!(waiting.give(destination(), "connection"), None);
        assert_eq!(second.try_recv(), Ok("connection"));
        assert!(third.try_recv().is_err());
        drop(third);
        assert_eq!(waiting.give(destination(), "other"), Some("other"));
    }

    #[test]
    fn those_that_have_left_are_forgotten() {
        let mut waiting = Waiting::<()>::default();
        drop(waiting.add(destination()));
        waiting.sweep();
        assert!(waiting.by_destination.is_empty());
    }
}
