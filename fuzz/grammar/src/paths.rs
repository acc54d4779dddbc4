//! Paths of the webhook.

use std::fmt::Write as _;

/// Generates the path after `/inject/`, with a number of variables.
#[must_use]
pub fn variables(count: usize) -> String {
    let mut path = String::new();
    for number in 0..count {
        let _ = write!(path, "k{number}/v/");
    }
    path
}

/// Repeats bytes.
#[must_use]
pub fn repeated(unit: &str, bytes: usize) -> String {
    crate::text::repeated(unit, bytes)
}
