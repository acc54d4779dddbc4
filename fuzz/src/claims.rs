//! The fuzz target for what tokens say themselves.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pillion::discovery::token_lasts;
use pillion_cost::{Bound, Linear};

use crate::units::{KIB, MILLISECOND};

/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;

pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(4 * KIB, 8),
    total: Linear::new(4 * KIB, 32),
    time: Linear::new(MILLISECOND, 200),
};

/// Reads when a token expires: the input is the token, or its claims behind a byte that no text contains.
///
/// # Panics
///
/// Panics if a check fails.
pub fn claims(data: &[u8]) {
    match data.split_first() {
        Some((0xff, claims)) => check(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))),
        Some((0xfe, depth)) => {
            let depth = depth.first().copied().unwrap_or_default();
            let claims = "{\"a\":".repeat(usize::from(depth) * 8);
            check(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
        }
        _ => check(&String::from_utf8_lossy(data)),
    }
}

fn check(token: &str) {
    if token.len() > LONGEST {
        return;
    }
    // Whatever it says, the answer is a time.
    BOUND.hold("a token", token.len(), || token_lasts(token));
}
