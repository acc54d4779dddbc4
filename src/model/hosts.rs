//! Hosts as rules and servers name them: a DNS name in lower case, a wildcard `*.SUFFIX`,
//! or `*`.

use std::sync::Arc;

/// Whether the host is a wildcard.
pub fn is_wildcard(host: &str) -> bool {
    host.starts_with('*')
}

/// Whether `pattern` covers `host`: all names of `host` are names of `pattern`. `*.a.b`
/// covers `x.a.b` and `*.x.a.b`, and not `a.b`.
pub fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => match host.strip_prefix('*') {
            Some(other) => other.ends_with(suffix),
            None => host.ends_with(suffix),
        },
        None => pattern == host,
    }
}

/// The names that two hosts have in common: the narrower of them, if it is within the
/// other.
pub fn intersection<'a>(one: &'a Arc<str>, other: &'a Arc<str>) -> Option<&'a Arc<str>> {
    if covers(other, one) {
        Some(one)
    } else if covers(one, other) {
        Some(other)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_what_is_below_its_suffix() {
        assert!(covers("*", "a.b"));
        assert!(covers("*.a.b", "x.a.b"));
        assert!(covers("*.a.b", "x.y.a.b"));
        assert!(covers("*.a.b", "*.x.a.b"));
        assert!(!covers("*.a.b", "a.b"));
        assert!(!covers("*.x.a.b", "*.a.b"));
        assert!(!covers("a.b", "*"));
    }

    #[test]
    fn the_narrower_host_is_the_intersection() {
        let [all, wild, exact, other] = ["*", "*.com", "a.com", "a.org"].map(Arc::<str>::from);
        assert_eq!(intersection(&all, &exact), Some(&exact));
        assert_eq!(intersection(&exact, &wild), Some(&exact));
        assert_eq!(intersection(&wild, &all), Some(&wild));
        assert_eq!(intersection(&wild, &other), None);
    }
}
