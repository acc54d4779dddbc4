//! What the log is told of a collector that does not take its spans.

use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;

/// The log is told the same no more often.
const QUIET: Duration = Duration::from_secs(60);

/// What the log has been told.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The last of it, until spans reach the collector again.
    told: Option<Fate>,
    /// When each was told last.
    kept: Option<Instant>,
    dropped: Option<Instant>,
}

/// What becomes of spans that their collector does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They are sent again.
    Kept,
    Dropped,
}

impl Trouble {
    /// Tells why a report was not taken, unless the log knows.
    pub fn tell(&mut self, cluster: &str, failure: &Failure) {
        match self.news(failure) {
            Some(Fate::Kept) => tracing::warn!(
                cluster,
                "spans can't be sent to their collector: {failure}; the newest ones are kept until they can, and pillion_tracing_spans_dropped_total counts the others"
            ),
            Some(Fate::Dropped) => tracing::warn!(
                cluster,
                "spans are dropped that their collector does not take: {failure}; pillion_tracing_spans_dropped_total counts them"
            ),
            None => {}
        }
    }

    /// Spans reach the collector.
    pub fn end(&mut self, cluster: &str) {
        if self.told.take().is_some() {
            tracing::info!(cluster, "spans reach their collector again");
        }
    }

    /// What the log does not know yet.
    fn news(&mut self, failure: &Failure) -> Option<Fate> {
        let (fate, last) = match failure.may_pass() {
            true => (Fate::Kept, &mut self.kept),
            false => (Fate::Dropped, &mut self.dropped),
        };
        let is_quiet = last.is_some_and(|last| last.elapsed() < QUIET);
        if is_quiet || self.told == Some(fate) {
            return None;
        }
        self.told = Some(fate);
        *last = Some(Instant::now());
        Some(fate)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const AWAY: Failure = Failure::Timeout(Duration::from_secs(5));
    const REFUSED: Failure = Failure::NotGrpc;

    #[tokio::test(start_paused = true)]
    async fn each_of_both_is_told_once() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.news(&AWAY), Some(Fate::Kept));
        assert_eq!(trouble.news(&AWAY), None);
        assert_eq!(trouble.news(&REFUSED), Some(Fate::Dropped));
        for failure in [REFUSED, AWAY, REFUSED] {
            assert_eq!(trouble.news(&failure), None);
        }
        advance(QUIET).await;
        // That is what was told last.
        assert_eq!(trouble.news(&REFUSED), None);
        assert_eq!(trouble.news(&AWAY), Some(Fate::Kept));
    }

    #[tokio::test(start_paused = true)]
    async fn what_begins_again_is_told_again_but_not_at_once() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.news(&AWAY), Some(Fate::Kept));
        trouble.end("zipkin");
        assert_eq!(trouble.news(&AWAY), None);
        advance(QUIET).await;
        assert_eq!(trouble.news(&AWAY), Some(Fate::Kept));
    }
}
