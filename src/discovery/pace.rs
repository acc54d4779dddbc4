//! When changes of rules go out: together, for as long as more of them come, and less often
//! the more work they make. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait for more changes after one, where rendering costs next to nothing.
const QUIET: Duration = Duration::from_millis(10);
/// The longest that a change waits where rendering is cheap, however many follow it.
const LONGEST: Duration = Duration::from_secs(1);
/// The part of the time in which nothing is rendered, relative to that in which something is.
const REST: u32 = 4;
/// The longest that a change ever waits.
const MOST_REST: Duration = Duration::from_secs(30);

/// Decides when the changes that wait go out.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the first and the last change came that have not gone out.
    waiting: Option<(Instant, Instant)>,
    /// How long the last rendering took.
    cost: Duration,
}

impl Pace {
    /// Records a change.
    pub fn record(&mut self, now: Instant) {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
    }

    /// Returns when the changes go out; `None` if there are none.
    pub fn due(&self) -> Option<Instant> {
        let (first, last) = self.waiting?;
        let quiet = (self.cost * REST).clamp(QUIET, MOST_REST);
        Some((last + quiet).min(first + quiet.max(LONGEST)))
    }

    /// Records that all changes have gone out, which took this long.
    pub fn sent(&mut self, cost: Duration) {
        self.waiting = None;
        self.cost = cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_changes_that_follow() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.due(), None);
        pace.record(start);
        assert_eq!(pace.due(), Some(start + QUIET));
        pace.record(start + millis(7));
        assert_eq!(pace.due(), Some(start + millis(17)));
    }

    #[tokio::test(start_paused = true)]
    async fn no_change_waits_for_more_than_a_second() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for step in 0..200 {
            pace.record(start + millis(9 * step));
        }
        assert_eq!(pace.due(), Some(start + LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_longer_where_rendering_takes_long() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.sent(millis(50));
        pace.record(start);
        assert_eq!(pace.due(), Some(start + millis(200)));
        pace.sent(millis(900));
        pace.record(start);
        assert_eq!(pace.due(), Some(start + millis(3_600)));
        pace.record(start + millis(1_000));
        assert_eq!(pace.due(), Some(start + millis(3_600)));
    }

    #[tokio::test(start_paused = true)]
    async fn no_change_waits_for_more_than_half_a_minute() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.sent(Duration::from_secs(40));
        pace.record(start);
        assert_eq!(pace.due(), Some(start + MOST_REST));
    }
}
