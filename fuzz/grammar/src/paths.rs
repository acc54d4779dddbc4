//! Paths of a webhook.

use std::fmt::Write as _;

/// What follows `/inject/`: so many variables.
#[must_use]
pub fn variables(count: usize) -> String {
    let mut path = String::new();
    for number in 0..count {
        let _ = write!(path, "k{number}/v/");
    }
    path
}

/// The same bytes so often.
#[must_use]
pub fn repeated(unit: &str, bytes: usize) -> String {
    crate::text::repeated(unit, bytes)
}
