//! The body of a response that is being sent.
//!
//! The responses to a caller that does not read them stay in memory: with HTTP/2, one for
//! each stream of each connection. So a response keeps its share of the memory budget,
//! and the connection's timeout running, until the HTTP server has released its last
//! byte.

use axum::body::{Body, Bytes};
use pillion_serve::{Room, Unsent};

/// The bytes, and what is released with the last one.
#[derive(Debug)]
struct ResponseBody<U> {
    bytes: Vec<u8>,
    _room: Room,
    _unsent: U,
}

impl<U> AsRef<[u8]> for ResponseBody<U> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Creates the body of a response, which holds its share of the budgets.
pub(crate) fn body(bytes: Vec<u8>, room: Room, unsent: Unsent) -> Body {
    holding(bytes, room, unsent).into()
}

fn holding<U: Send + Sync + 'static>(bytes: Vec<u8>, room: Room, unsent: U) -> Bytes {
    Bytes::from_owner(ResponseBody {
        bytes,
        _room: room,
        _unsent: unsent,
    })
}

#[cfg(test)]
mod tests {
    use pillion_serve::Budget;

    use super::*;

    #[test]
    fn holds_its_room_until_its_last_byte_is_released() {
        let budget = Budget::new(4096);
        let budgets = [&budget; 2];
        let room = Room::of(budgets, 2000).unwrap();
        let mut begin = holding(vec![b'x'; 2000], room, ());
        let end = begin.split_off(1000);
        drop(begin);
        assert!(Room::of(budgets, 2000).is_err());
        drop(end);
        assert!(Room::of(budgets, 2000).is_ok());
    }
}
