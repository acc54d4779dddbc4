//! The fuzz target for the webhook's path.

use pillion::webhook::path_env as parser;
use pillion_cost::{Bound, Linear};
use pillion_grammar::paths;

use crate::units::{KIB, MILLISECOND};

/// Request headers have a maximum length (64 KiB and 16 KiB), and therefore paths do.
const MOST: u32 = 16;

pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(4 * KIB, 64),
    total: Linear::new(4 * KIB, 128),
    time: Linear::new(MILLISECOND, 200),
};

/// Parses a path: the input is the path, or instructions for a long one.
///
/// # Panics
///
/// Panics if a check fails.
pub fn path_env(data: &[u8]) {
    // No text contains this byte.
    match data.split_first() {
        Some((0xff, rest)) => check(&long(rest)),
        _ => check(&String::from_utf8_lossy(data)),
    }
}

fn long(bytes: &[u8]) -> String {
    let [shape, size] = [0, 1].map(|index| bytes.get(index).copied().unwrap_or_default());
    let bytes = 1 << (u32::from(size) % (MOST + 1));
    match shape % 6 {
        0 => paths::variables(bytes / 8),
        1 => paths::repeated("a/b/", bytes),
        2 => paths::repeated("/", bytes),
        3 => paths::repeated("cluster/--slash--/", bytes),
        4 => paths::repeated("a", bytes),
        _ => format!("k/{}", paths::repeated("--slash--", bytes)),
    }
}

fn check(path: &str) {
    let parsed = BOUND.hold("a path", path.len(), || parser::parse(path));
    match parsed {
        Ok(env) => {
            assert!(env.is_sorted_by(|one, other| one.0 < other.0), "{env:?}");
            for (name, _) in &env {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                assert!(!name.is_empty() && name.chars().all(allowed), "{name:?}");
                assert!(!name.starts_with(|c: char| c.is_ascii_digit()), "{name:?}");
            }
            let length: usize = env
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            // `net` becomes ISTIO_META_NETWORK.
            assert!(length <= 8 * path.len() + 64, "{length}");
        }
        Err(error) => {
            let message = error.to_string();
            // The part of the path in the message is escaped.
            assert!(message.len() <= 12 * path.len() + 1024, "{}", message.len());
        }
    }
}
