//! What the log says of reviews.

use axum::http::StatusCode;
use pillion_serve::Peer;
use pillion_telemetry::{Rates, Throttle};

use crate::text::{printable, shorten};

/// Callers can cause lines at will.
const RATES: Rates = Rates {
    each: 5,
    first: 100,
    more: 20,
};

/// The longest text that a caller may be the author of, in bytes.
const LONGEST: usize = 2048;

/// Writes the log lines, and limits their rates: those of what failed apart from refusals.
#[derive(Debug)]
pub(super) struct Log {
    refused: Throttle,
    failed: Throttle,
}

impl Log {
    pub fn new() -> Self {
        Self {
            refused: Throttle::new(RATES),
            failed: Throttle::new(RATES),
        }
    }

    /// Logs that an object was refused.
    pub fn refused(&self, why: &str, peer: &Peer) {
        let peer = peer.address();
        if let Some(held_back) = self.refused.pass(peer.ip()) {
            tracing::info!(
                message_to_user = printable(shorten(why, LONGEST)),
                %peer,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "the webhook refused a rule"
            );
        }
    }

    /// Logs that a review was dropped before there was an answer.
    pub fn abandoned(&self, peer: &Peer) {
        let peer = peer.address();
        if let Some(held_back) = self.failed.pass(peer.ip()) {
            tracing::warn!(
                %peer,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "a review of a rule was not answered: the caller went, or this service stopped, before the answer; with `failurePolicy: Ignore`, the API server may accept the rule all the same"
            );
        }
    }

    /// Logs that a review got no answer.
    pub fn failed(&self, status: StatusCode, why: &str, peer: &Peer) {
        let peer = peer.address();
        if let Some(held_back) = self.failed.pass(peer.ip()) {
            tracing::warn!(
                status = status.as_u16(),
                reason = printable(shorten(why, LONGEST)),
                %peer,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "a review of a rule failed; with `failurePolicy: Ignore`, the API server may accept the rule all the same"
            );
        }
    }
}
