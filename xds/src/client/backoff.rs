//! How long a client waits before it connects again.

use std::time::Duration;

/// The most that a client waits after a stream that worked: clients of a server that restarts
/// come back spread over this time.
const FIRST: Duration = Duration::from_secs(2);

/// The most that a client ever waits.
const LONGEST: Duration = Duration::from_secs(15);

/// The waiting times of one client.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A stream worked: the next wait is a short one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait, by a random number from 0 to 1: up to 2 s at first, then between half
    /// and all of a time that doubles up to 15 s.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(4)).min(LONGEST);
        let least = if self.failures == 0 {
            Duration::ZERO
        } else {
            longest / 2
        };
        self.failures = self.failures.saturating_add(1);
        least + (longest - least).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, random: f64) -> f64 {
        backoff.next(random).as_secs_f64()
    }

    #[test]
    fn waits_longer_after_each_failure_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..6).map(|_| seconds(&mut backoff, 1.0)).collect();
        assert_eq!(longest, [2.0, 4.0, 8.0, 15.0, 15.0, 15.0]);
    }

    #[test]
    fn spreads_the_first_attempts_from_now_on_and_the_later_over_half() {
        let mut backoff = Backoff::default();
        let least: Vec<_> = (0..4).map(|_| seconds(&mut backoff, 0.0)).collect();
        assert_eq!(least, [0.0, 2.0, 4.0, 7.5]);
    }

    #[test]
    fn begins_anew_after_a_stream_that_worked() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.next(0.5);
        }
        backoff.reset();
        assert_eq!(seconds(&mut backoff, 1.0), 2.0);
    }
}
