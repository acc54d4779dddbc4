//! An answer's body on its way out.
//!
//! A caller that asks and does not read leaves its answers here: in HTTP/2 as
//! many as it has streams, on each of its connections. So an answer holds its
//! share of the memory, and keeps the connection's clock going, until the
//! server's HTTP has let go of its last byte.

use axum::body::{Body, Bytes};

use super::{activity::Unsent, budget::Room};

/// The body, with what ends when it is written or given up.
#[derive(Debug)]
struct Sendable {
    bytes: Vec<u8>,
    _room: Room,
    _unsent: Unsent,
}

impl AsRef<[u8]> for Sendable {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of an answer that there is room for.
pub(super) fn body(bytes: Vec<u8>, room: Room, unsent: Unsent) -> Body {
    Bytes::from_owner(Sendable {
        bytes,
        _room: room,
        _unsent: unsent,
    })
    .into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::webhook::{activity::Activity, budget::Budget};

    #[tokio::test]
    async fn holds_its_room_until_its_last_byte_is_let_go() {
        let budget = Budget::new(4096);
        let budgets = [&budget; 2];
        let room = Room::of(budgets, 2000).unwrap();
        let unsent = Arc::new(Activity::new()).answer();
        let body = body(vec![b'x'; 2000], room, unsent);
        let mut begin = body.collect().await.unwrap().to_bytes();
        let end = begin.split_off(1000);
        drop(begin);
        assert!(Room::of(budgets, 2000).is_err());
        drop(end);
        assert!(Room::of(budgets, 2000).is_ok());
    }
}
