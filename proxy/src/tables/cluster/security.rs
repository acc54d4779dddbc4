//! Whether a server is spoken to by TLS, soon after that has changed as well.

use std::time::Duration;

use tokio::time::Instant;

/// How long requests go to a server as before after a change. The server learns of the change at about the same
/// time, and takes both from then on for longer than this: so it may learn of it earlier, or later.
const DELAY: Duration = Duration::from_secs(2);

/// Whether a server is spoken to by its cluster's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Security {
    is_told: bool,
    /// When it was told, if requests went there otherwise before.
    changed: Option<Instant>,
}

impl Security {
    /// It has always been so.
    pub fn new(is_secured: bool) -> Self {
        Self {
            is_told: is_secured,
            changed: None,
        }
    }

    /// What it is once it has been told so.
    pub(super) fn told(self, is_secured: bool) -> Self {
        let in_use = self.for_requests();
        let changed = match self.is_told == is_secured {
            true => self.changed,
            false => Some(Instant::now()),
        };
        Self {
            is_told: is_secured,
            changed: changed.filter(|_| in_use != is_secured),
        }
    }

    /// What the configuration says: for connections of TCP, which servers take in no other way from the moment on in
    /// which they learn of it.
    pub fn for_bytes(self) -> bool {
        self.is_told
    }

    /// What is best for a request now.
    pub fn for_requests(self) -> bool {
        let is_early = self
            .changed
            .is_some_and(|changed| changed.elapsed() < DELAY);
        self.is_told != is_early
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_follow_a_change_a_moment_later() {
        let told = Security::new(true).told(false);
        assert!(!told.for_bytes());
        assert!(told.for_requests());
        advance(DELAY).await;
        assert!(!told.for_requests());
    }

    #[tokio::test(start_paused = true)]
    async fn being_told_again_does_not_put_it_off() {
        let mut told = Security::new(false).told(true);
        for _ in 0..4 {
            advance(DELAY / 4).await;
            told = told.told(true);
        }
        assert!(told.for_requests());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_is_taken_back_in_time_changes_nothing() {
        let told = Security::new(true).told(false);
        advance(DELAY / 2).await;
        let told = told.told(true);
        assert_eq!(told, Security::new(true));
        // Later it is another change.
        let told = told.told(false);
        advance(DELAY).await;
        let told = told.told(true);
        assert!(told.for_bytes() && !told.for_requests());
        advance(DELAY).await;
        assert!(told.for_requests());
    }
}
