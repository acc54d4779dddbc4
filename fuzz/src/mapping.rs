//! The fuzz target for requests of HTTP/2 that go to a server of HTTP/1.

mod asked;
mod judge;

use pillion_cost::{Bound, Linear};
use pillion_grammar::frames::{
    END_STREAM,
    kind::{DATA, HEADERS},
};
use pillion_proxy::test_util::{Play, Setting};

use self::{asked::Asked, judge::check};
use crate::{
    cursor::{Cursor, pieces},
    messages::{Kind, Message, read},
    talk::asks_for_tunnel,
    units::{KIB, MILLISECOND},
};

/// As of a whole exchange, also where responses are mapped; h2 takes some memory of its own.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(1024 * KIB, 512),
    total: Linear::new(1536 * KIB, 8 * KIB),
    time: Linear::new(15 * MILLISECOND, 30_000),
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a request of HTTP/2 that the input chooses: either it is refused, or the server gets
/// exactly one message, which says the same.
///
/// # Panics
///
/// Panics if a check fails.
pub fn mapping(data: &[u8]) {
    let _reached = reaches(data);
}

/// Whether the server gets a message.
fn reaches(data: &[u8]) -> bool {
    let mut cursor = Cursor::new(data);
    let mode = cursor.byte();
    let lengths = cursor.take(usize::from(mode & 7));
    let asked = Asked::choose(&mut cursor, mode);
    let bytes = asked.bytes();
    let received = |lengths: &[u8]| {
        let mut play = Play::new(Setting {
            http2: true,
            gateway: mode & 8 != 0,
            ..Setting::default()
        });
        for piece in pieces(&bytes, lengths) {
            play.client_sends(piece);
        }
        play.server_sends(0, ANSWER);
        play.client_ends();
        check_frames(&play.to_client());
        assert!(play.to_server(1).is_none(), "one request, two connections");
        play.to_server(0)
    };
    let whole = BOUND.hold("a request", bytes.len(), || received(&[]));
    let in_pieces = received(lengths);
    let (whole, in_pieces) = (complete(whole), complete(in_pieces));
    // What has come may be complete, by its length or because it is a tunnel, before something else is wrong.
    let has_length = !asked.all("content-length").is_empty();
    let is_complete_sooner = has_length || in_pieces.as_ref().is_some_and(asks_for_tunnel);
    let may_differ = asked.resets || whole.is_none() && is_complete_sooner;
    assert!(
        may_differ || whole == in_pieces,
        "{whole:#?}\n\n{in_pieces:#?}"
    );
    if let Some(message) = &whole {
        check(&asked, message);
    }
    whole.is_some()
}

/// What the server has got, if that is complete.
fn complete(received: Option<Vec<u8>>) -> Option<Message> {
    let received = received?;
    let mut message = read(&received, Kind::Request).unwrap_or_else(|why| panic!("{why}"))?;
    let rest = &received[message.len..];
    if message.method() == "CONNECT" {
        message.body = rest.to_vec();
    } else {
        assert!(rest.is_empty(), "another message follows");
    }
    // Chunks may be cut elsewhere.
    message.is_complete.then_some(Message { len: 0, ..message })
}

/// What the client gets is frames, and its stream ends at most once.
fn check_frames(mut bytes: &[u8]) {
    let mut ends = 0;
    while let [high, middle, low, kind, flags, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        assert!(length <= rest.len(), "half a frame");
        bytes = &rest[length..];
        if id == 1 && matches!(*kind, DATA | HEADERS) {
            assert_eq!(ends, 0, "something follows the end");
            ends += usize::from(flags & END_STREAM != 0);
        }
    }
    assert!(bytes.is_empty(), "half a frame");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy that refused everything would pass all checks.
    #[test]
    fn good_requests_reach_the_server() {
        for (name, seed) in [
            ("get", &include_bytes!("../seeds/mapping/get")[..]),
            ("post", include_bytes!("../seeds/mapping/post")),
            ("trailers", include_bytes!("../seeds/mapping/trailers")),
            (
                "trailers-of-heads",
                include_bytes!("../seeds/mapping/trailers-of-heads"),
            ),
        ] {
            assert!(reaches(seed), "{name}");
        }
    }

    #[test]
    fn bad_hosts_do_not_reach_the_server() {
        for (name, seed) in [
            (
                "port",
                &include_bytes!("../seeds/mapping/host-with-a-bad-port")[..],
            ),
            (
                "brackets",
                include_bytes!("../seeds/mapping/host-in-bad-brackets"),
            ),
        ] {
            assert!(!reaches(seed), "{name}");
        }
    }

    /// Once h2 refuses both, the judge can be as strict with heads that are cut.
    #[test]
    fn h2_forgets_what_is_malformed_where_a_field_is_cut() {
        let mut seed = include_bytes!("../seeds/mapping/malformed-before-a-continuation").to_vec();
        assert!(reaches(&seed));
        // The same in one frame.
        seed[0] &= 0x3f;
        assert!(!reaches(&seed));
    }
}
