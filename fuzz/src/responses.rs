//! The fuzz target for responses of HTTP/2 that go to a client of HTTP/1.

mod answered;
mod asked;
mod judge;
mod outcome;

use pillion_proxy::test_util::{Play, Setting};

use self::{
    answered::{Answered, settings},
    asked::ASKED,
    judge::{check, is_whole_of_server},
    outcome::Outcome,
};
use crate::{
    cursor::{Cursor, pieces},
    mapping::BOUND,
};

/// Has a server of HTTP/2 send what the input chooses: the client gets a response that says
/// the same, one that does not look complete, or one of the proxy's own.
///
/// # Panics
///
/// Panics if a check fails.
pub fn responses(data: &[u8]) {
    let _passed_on = passes_on(data);
}

/// Whether the client gets the server's response, whole.
fn passes_on(data: &[u8]) -> bool {
    let mut cursor = Cursor::new(data);
    let mode = cursor.byte();
    let lengths = cursor.take(usize::from(mode & 7));
    let asked = ASKED[usize::from(mode >> 3 & 3)];
    let answered = Answered::choose(&mut cursor, mode);
    let bytes = answered.bytes();
    let played = |lengths: &[u8]| {
        let mut play = Play::new(Setting {
            http2_servers: true,
            ..Setting::default()
        });
        play.client_sends(asked.text.as_bytes());
        // Before they have come, no upgrade is asked for.
        play.server_sends(0, &settings());
        for piece in pieces(&bytes, lengths) {
            play.server_sends(0, piece);
        }
        if answered.closes {
            play.server_ends(0);
        }
        (play.to_client(), play.client_fate())
    };
    let whole = BOUND.hold("a response", bytes.len(), || played(&[]));
    let in_pieces = BOUND.hold("a response in pieces", bytes.len(), || played(lengths));
    let [whole, in_pieces] =
        [whole, in_pieces].map(|(bytes, fate)| Outcome::read(asked, &bytes, fate));
    for outcome in [&whole, &in_pieces] {
        check(asked, &answered, outcome);
    }
    if answered.is_good(asked) {
        compare(&answered, &whole, &in_pieces);
    }
    whole.response.as_ref().is_some_and(is_whole_of_server)
}

/// Where nothing is wrong, it makes no difference how it is cut.
fn compare(answered: &Answered, whole: &Outcome, in_pieces: &Outcome) {
    let comparable = |outcome: &Outcome| {
        let response = outcome.response.clone();
        let mut response = response.unwrap_or_else(|| panic!("no response: {answered:#?}"));
        response.fields.retain(|(name, _)| name != "date");
        // Chunks may be cut elsewhere.
        response.len = 0;
        let interim = outcome.interim.len();
        (response, interim, outcome.fate)
    };
    let (whole, in_pieces) = (comparable(whole), comparable(in_pieces));
    assert!(is_whole_of_server(&whole.0), "{answered:#?} {whole:#?}");
    assert_eq!(whole, in_pieces);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy that refused everything would pass most checks.
    #[test]
    fn good_responses_reach_the_client() {
        for (name, seed) in [
            ("get", &include_bytes!("../seeds/responses/get")[..]),
            ("head", include_bytes!("../seeds/responses/head")),
            ("post", include_bytes!("../seeds/responses/post")),
            ("upgrade", include_bytes!("../seeds/responses/upgrade")),
            ("trailers", include_bytes!("../seeds/responses/trailers")),
            ("interim", include_bytes!("../seeds/responses/interim")),
        ] {
            assert!(passes_on(seed), "{name}");
        }
    }

    #[test]
    fn bad_responses_do_not() {
        for (name, seed) in [
            (
                "connection",
                &include_bytes!("../seeds/responses/field-of-a-connection")[..],
            ),
            (
                "long",
                include_bytes!("../seeds/responses/more-than-its-length"),
            ),
            (
                "short",
                include_bytes!("../seeds/responses/less-than-its-length"),
            ),
            ("reset", include_bytes!("../seeds/responses/reset")),
        ] {
            assert!(!passes_on(seed), "{name}");
        }
    }
}
