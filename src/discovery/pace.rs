//! When changes of rules go out: together, for as long as more of them come, and less often
//! the more work they make. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait for more changes after one, where rendering costs next to nothing.
const QUIET: Duration = Duration::from_millis(10);
/// The same where rendering takes at least as long.
const MOST_QUIET: Duration = Duration::from_millis(100);
/// The longest that a change waits for others, however many follow it.
const LONGEST: Duration = Duration::from_secs(1);
/// How much longer nothing is rendered than something is, in the long run.
const REST: u32 = 4;
/// How much rest may be owed before a change waits for it: a few changes in a row go out at once.
const CREDIT: Duration = Duration::from_secs(1);
/// The longest that a change ever waits for that rest.
const MOST_REST: Duration = Duration::from_secs(30);

/// Decides when the changes that wait go out.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the first and the last change came that have not gone out.
    waiting: Option<(Instant, Instant)>,
    /// How long the last rendering took.
    cost: Duration,
    /// When there will have been all the rest that is owed.
    rested: Option<Instant>,
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
        let quiet = self.cost.clamp(QUIET, MOST_QUIET);
        let together = (last + quiet).min(first + LONGEST);
        let rested = self.rested.and_then(|rested| rested.checked_sub(CREDIT));
        Some(rested.map_or(together, |rested| rested.max(together)))
    }

    /// Records that all changes have gone out by now, which took this long.
    pub fn sent(&mut self, now: Instant, cost: Duration) {
        self.waiting = None;
        self.cost = cost;
        let owed = self.rested.map_or(now, |rested| rested.max(now));
        let rested = owed + cost.min(MOST_REST) * REST;
        self.rested = Some(rested.min(now + MOST_REST + CREDIT));
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
    async fn no_change_waits_for_others_for_more_than_a_second() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for step in 0..200 {
            pace.record(start + millis(9 * step));
        }
        assert_eq!(pace.due(), Some(start + LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_longer_for_others_where_rendering_takes_long() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for (cost, quiet) in [(50, 50), (900, 100)] {
            pace.sent(start, millis(cost));
            let later = start + Duration::from_secs(60);
            pace.record(later);
            assert_eq!(pace.due(), Some(later + millis(quiet)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_changes_in_a_row_go_out_and_others_wait() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let cost = millis(100);
        for _ in 0..2 {
            pace.sent(start, cost);
            pace.record(start);
            assert_eq!(pace.due(), Some(start + cost));
        }
        // 1,200 ms of rest are owed, and 1,000 ms of them later.
        pace.sent(start, cost);
        pace.record(start);
        assert_eq!(pace.due(), Some(start + millis(200)));
        // In the long run, four times as long as rendering takes.
        let mut now = start;
        for _ in 0..10 {
            pace.record(now);
            now = pace.due().unwrap() + cost;
            pace.sent(now, cost);
        }
        assert!(now - start >= cost * REST * 9, "{:?}", now - start);
    }

    #[tokio::test(start_paused = true)]
    async fn no_change_waits_for_more_than_half_a_minute() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for _ in 0..3 {
            pace.sent(start, Duration::from_secs(40));
            pace.record(start);
            assert_eq!(pace.due(), Some(start + MOST_REST));
        }
    }
}
