//! The most that the proxy takes of something. It would reject a whole table for one object that
//! has more, and with it everybody else's rules.

use crate::findings::Findings;

/// Bytes of a text that is compared, set or written.
const TEXT: usize = 8 * 1024;
/// Conditions on headers, with those on the method, scheme and host, in one element of `match`.
pub(super) const CONDITIONS: usize = 256;
/// Headers that are set and added, or removed, at one place.
pub(super) const HEADERS: usize = 256;
/// Destinations of a route.
pub(super) const DESTINATIONS: usize = 1_024;
/// Networks in one element of `match`.
pub(super) const SUBNETS: usize = 1_024;
/// Regular expressions of one object. It also bounds the time to compile them.
pub(super) const PATTERNS: usize = 500;

/// A text that gets into a table.
pub(super) fn text(findings: &mut Findings, text: &str) {
    if text.len() > TEXT {
        findings.fault(format!("has more than {TEXT} bytes"));
    }
}

/// A list whose elements get into a table.
pub(super) fn count(findings: &mut Findings, count: usize, most: usize) {
    if count > most {
        findings.fault(format!(
            "has {count} elements; there can't be more than {most}"
        ));
    }
}
