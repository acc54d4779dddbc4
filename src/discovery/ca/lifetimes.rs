//! How long certificates are valid.

use time::Duration;

/// The shortest lifetime: proxies renew at half of it, and clocks differ.
const SHORTEST: Duration = Duration::MINUTE;

/// The lifetimes that are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::discovery) struct Lifetimes {
    default: Duration,
    longest: Duration,
}

impl Lifetimes {
    /// The lifetime of who asks for none, and the longest; `None` if one of them is shorter than a minute, or
    /// the default is longer than the longest.
    pub fn new(default: Duration, longest: Duration) -> Option<Self> {
        let is_valid = (SHORTEST..=longest).contains(&default);
        is_valid.then_some(Self { default, longest })
    }

    /// The lifetime for who asks for this many seconds; 0 is no wish.
    pub(super) fn granted(self, seconds: i64) -> Duration {
        if seconds <= 0 {
            return self.default;
        }
        Duration::seconds(seconds).clamp(SHORTEST, self.longest)
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            default: Duration::DAY,
            longest: Duration::days(90),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_granted_within_bounds() {
        let lifetimes = Lifetimes::default();
        for (seconds, granted) in [
            (0, Duration::DAY),
            (-1, Duration::DAY),
            (i64::MIN, Duration::DAY),
            (1, Duration::MINUTE),
            (3600, Duration::HOUR),
            (i64::MAX, Duration::days(90)),
        ] {
            assert_eq!(lifetimes.granted(seconds), granted, "{seconds}");
        }
    }

    #[test]
    fn bounds_that_leave_nothing_are_refused() {
        let (second, day) = (Duration::SECOND, Duration::DAY);
        assert!(Lifetimes::new(day, day).is_some());
        assert!(Lifetimes::new(Duration::MINUTE, day).is_some());
        assert!(Lifetimes::new(second, day).is_none());
        assert!(Lifetimes::new(day, Duration::HOUR).is_none());
        assert!(Lifetimes::new(second, second).is_none());
    }
}
