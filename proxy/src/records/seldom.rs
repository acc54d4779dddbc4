//! What the log is told again and again, but not often.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between two times.
const PAUSE: Duration = Duration::from_secs(600);

/// Something that the log is told seldom.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    last: Mutex<Option<Instant>>,
}

impl Seldom {
    /// Whether to tell it now.
    pub fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_told_at_once_and_after_a_while() {
        let seldom = Seldom::default();
        assert!(seldom.is_due() && !seldom.is_due());
        advance(PAUSE / 2).await;
        assert!(!seldom.is_due());
        advance(PAUSE / 2).await;
        assert!(seldom.is_due() && !seldom.is_due());
    }
}
