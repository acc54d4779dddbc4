//! When a certificate is renewed.

use std::time::Duration;

use pillion_certs::Validity;
use time::OffsetDateTime;
use tokio::time::Instant;

/// How often the wall clock is looked at: it may be set, and timers do not run while a machine sleeps.
const LOOK: Duration = Duration::from_secs(60);
/// A certificate is kept at least that long, however short its life.
const SHORTEST: Duration = Duration::from_secs(10);
/// A longer life is no clock's.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// When a certificate is to be renewed: by the wall clock or by the time that has passed, whichever is
/// first, so that a wall clock that is set back delays nothing.
#[derive(Debug)]
pub(super) struct Renewal {
    at: OffsetDateTime,
    latest: Instant,
}

impl Renewal {
    /// After half of what is left of its life, give or take a tenth, by a random number from 0 to 1.
    pub fn of(validity: Validity, now: OffsetDateTime, random: f64) -> Self {
        let left = Duration::try_from(validity.not_after - now).unwrap_or_default();
        let half = left
            .min(LONGEST)
            .mul_f64(0.45 + 0.1 * random.clamp(0.0, 1.0));
        let after = half.max(SHORTEST);
        Self {
            at: now + after,
            latest: Instant::now() + after,
        }
    }

    /// Whether it is time.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        now >= self.at || Instant::now() >= self.latest
    }

    /// How long until the clocks are looked at again.
    pub fn wait(&self, now: OffsetDateTime) -> Duration {
        let by_clock = Duration::try_from(self.at - now).unwrap_or_default();
        let passing = self.latest.saturating_duration_since(Instant::now());
        by_clock.min(passing).min(LOOK)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn lasting(life: Duration) -> Validity {
        Validity {
            not_before: NOW - Duration::from_secs(120),
            not_after: NOW + life,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_life_that_is_left_gives_or_takes_a_tenth() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        for (random, minutes) in [(0.0, 540), (0.5, 600), (1.0, 660)] {
            let renewal = Renewal::of(lasting(hours(20)), NOW, random);
            let due = NOW + Duration::from_secs(minutes * 60);
            assert!(renewal.is_due(due + Duration::from_secs(1)));
            assert!(!renewal.is_due(due - Duration::from_secs(1)));
            assert_eq!(renewal.wait(NOW), LOOK);
        }
        for life in [0, 1, 15] {
            let renewal = Renewal::of(lasting(Duration::from_secs(life)), NOW, 0.5);
            assert!(!renewal.is_due(NOW));
            assert_eq!(renewal.wait(NOW), SHORTEST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_delays_nothing() {
        let renewal = Renewal::of(lasting(Duration::from_secs(3600)), NOW, 0.5);
        let before = NOW - Duration::from_secs(24 * 3600);
        assert!(!renewal.is_due(before));
        advance(Duration::from_secs(1801)).await;
        assert!(renewal.is_due(before));
        assert_eq!(renewal.wait(before), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_forward_is_seen_within_a_minute() {
        let renewal = Renewal::of(lasting(Duration::from_secs(3600)), NOW, 0.5);
        assert!(renewal.wait(NOW) <= Duration::from_secs(60));
        assert!(renewal.is_due(NOW + Duration::from_secs(3000)));
    }
}
