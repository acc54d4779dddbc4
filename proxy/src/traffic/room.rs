//! What the requests of one connection use of the process.

use std::cell::Cell;

use super::open::Open;

/// Bytes that a place stands for: what a connection of HTTP/1 has at its worst.
const PLACE: usize = 64 * 1024;
/// What a request takes beside its head: the state of both of its streams.
const REQUEST: usize = 8 * 1024;

/// The memory of a connection's requests. One with many at a time takes more than one place.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    open: &'a Open,
    places: Cell<usize>,
    used: Cell<usize>,
}

/// The memory of a request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    room: &'a Room<'a>,
    bytes: usize,
}

impl<'a> Room<'a> {
    /// The room of a connection, which has one place.
    pub fn new(open: &'a Open) -> Self {
        Self {
            open,
            places: Cell::new(1),
            used: Cell::new(0),
        }
    }

    /// Room for a request whose head has so many bytes; `None` when all places are taken and
    /// nobody has more of them than this client. The connection keeps the places that it gets.
    pub fn for_request(&'a self, head: usize) -> Option<Share<'a>> {
        let bytes = REQUEST.saturating_add(head);
        let used = self.used.get().saturating_add(bytes);
        while used > self.places.get() * PLACE {
            if !self.open.grow() {
                return None;
            }
            self.places.set(self.places.get() + 1);
        }
        self.used.set(used);
        Some(Share { room: self, bytes })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.room.used.set(self.room.used.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::open::Traffic, *};

    #[test]
    fn many_requests_take_many_places() {
        let traffic = Arc::new(Traffic::new(2));
        let (open, _evicted) = traffic.enter([10, 0, 0, 1].into()).unwrap();
        let room = Room::new(&open);
        let mut shares: Vec<_> = (0..16).map(|_| room.for_request(0).unwrap()).collect();
        assert!(room.for_request(0).is_none());
        shares.pop();
        assert!(room.for_request(1).is_none());
        assert!(room.for_request(0).is_some());
        assert!(traffic.enter([10, 0, 0, 1].into()).is_none());
        drop(shares);
        drop(open);
        assert!(traffic.enter([10, 0, 0, 1].into()).is_some());
    }
}
