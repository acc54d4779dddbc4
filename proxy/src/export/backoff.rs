//! How long a collector that is away is left alone.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// At most.
const LONGEST: Duration = Duration::from_secs(30);

/// The waiting times for one collector.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The collector has answered.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait, by a random number from 0 to 1: between half and all of a time that doubles.
    pub fn next(&mut self, random: f64) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(5)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        longest / 2 + (longest / 2).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_after_each_failure_until_there_is_an_answer() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..7).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.next(0.0), Duration::from_secs(15));
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_millis(500));
    }
}
