//! How long a peer that is away, or that refuses, is left alone.

use std::time::Duration;

/// The waiting times for one peer.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits that long after the first failure, and at most that long after later ones.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The peer has answered.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait, by a random number from 0 to 1: between half and all of a time that doubles.
    pub fn next(&mut self, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16));
        let longest = doubled.min(self.longest);
        self.failures = self.failures.saturating_add(1);
        longest / 2 + (longest / 2).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_after_each_failure_until_there_is_an_answer() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let waits: Vec<_> = (0..7).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.next(0.0), Duration::from_secs(15));
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_millis(500));
    }

    #[test]
    fn never_waits_longer_than_it_may() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        let longest = (0..100).map(|_| backoff.next(1.0)).max();
        assert_eq!(longest, Some(Duration::from_secs(30)));
    }
}
