//! The fuzz target for uninjecting pods.

use pillion_cost::{Bound, Linear};
use pillion_grammar::{corrupted, records};
use pillion_inject as inject;
use serde_json::Value;

use crate::{
    configurations,
    injected::injected,
    units::{KIB, MIB, MILLISECOND},
};

/// Parsing the pod does not count.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(MIB, 400),
    total: Linear::new(2 * MIB, 1200),
    time: Linear::new(5 * MILLISECOND, 500),
};

/// The result consists of parts of the input.
const RESULT: Linear = Linear::new(64 * KIB, 8);

/// Uninjects a pod: the input is the pod, or instructions for a pod with made-up records, or
/// for one that was injected and then corrupted.
///
/// # Panics
///
/// Panics if a check fails.
pub fn uninject(data: &[u8]) {
    match data.split_first() {
        Some((mode, rest)) if mode.is_multiple_of(2) => match mode >> 1 & 1 {
            0 => check(&records::pod(rest)),
            _ => {
                let (before, after) = rest.split_at(rest.len() / 2);
                let pod = corrupted::pod(before);
                let mut pod = injected(&configurations::ALL[0], &pod).unwrap_or(pod);
                corrupted::corrupt(&mut pod, after);
                check(&pod.to_string());
            }
        },
        _ => check(&String::from_utf8_lossy(data)),
    }
}

fn check(text: &str) {
    let Ok(pod) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let undone = BOUND.hold("an uninjection", text.len(), || inject::uninject(&pod));
    let length = match undone {
        Ok(Some(undone)) => undone.to_string().len(),
        Ok(None) => 0,
        Err(refusal) => refusal.to_string().len(),
    };
    let most = usize::try_from(RESULT.of(text.len())).expect("a length");
    assert!(length <= most, "{} bytes became {length}", text.len());
}
