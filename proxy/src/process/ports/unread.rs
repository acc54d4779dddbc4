//! The memory of metrics that have been asked for and not been read yet.
//!
//! They may be tens of megabytes, and a client need not read them: each response keeps
//! its part of a budget until its last byte is sent, and an address may use half of that.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    body::Bytes,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pillion_serve::{Budget, Peer, Room, Unsent};

/// Bytes of all responses of a port, of which an address may have half.
pub(super) const BYTES: usize = 128 * 1024 * 1024;
/// A longer response is charged as this: otherwise it would never fit.
const MOST: usize = BYTES / 2;

/// The responses of a port.
#[derive(Debug)]
pub(super) struct Unread {
    all: Budget,
    /// The length of the last one, as which the next is charged before it is made.
    last: AtomicUsize,
}

/// A text, and what is released with its last byte.
struct Held {
    text: String,
    _room: Room,
    _unsent: Unsent,
}

impl Unread {
    pub fn new() -> Self {
        Self {
            all: Budget::new(BYTES),
            last: AtomicUsize::new(0),
        }
    }

    /// Room for a response to that caller, unless what it has not read, or what all have
    /// not read, is too much.
    pub fn room(&self, peer: &Peer) -> Option<Room> {
        self.room_in(peer.budget())
    }

    /// The response with these metrics.
    pub fn response(
        &self,
        content_type: &'static str,
        text: String,
        room: Room,
        peer: &Peer,
    ) -> Response {
        self.last.store(text.len(), Ordering::Relaxed);
        let held = Held {
            text,
            _room: room,
            _unsent: peer.response(),
        };
        (
            [(header::CONTENT_TYPE, content_type)],
            Bytes::from_owner(held),
        )
            .into_response()
    }

    fn room_in(&self, own: &Budget) -> Option<Room> {
        let bytes = self.last.load(Ordering::Relaxed).min(MOST);
        Room::of([&self.all, own], bytes).ok()
    }
}

/// The answer that there is no room.
pub(super) fn refusal() -> Response {
    let text = "too many scrapes whose metrics have not been read\n";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_fills_the_memory_with_what_is_not_read() {
        let unread = Unread::new();
        unread.last.store(40 * 1024 * 1024, Ordering::Relaxed);
        let (one, other) = (Budget::new(MOST), Budget::new(MOST));
        let first = unread.room_in(&one).unwrap();
        assert!(unread.room_in(&one).is_none());
        let _second = unread.room_in(&other).unwrap();
        drop(first);
        assert!(unread.room_in(&one).is_some());
    }

    #[test]
    fn metrics_of_any_length_can_be_read() {
        let unread = Unread::new();
        unread.last.store(usize::MAX, Ordering::Relaxed);
        assert!(unread.room_in(&Budget::new(MOST)).is_some());
    }
}
