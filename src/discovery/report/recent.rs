//! What was reported or logged lately, so that it is not again.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::time::Instant;

/// For how long a report is not repeated.
const WINDOW: Duration = Duration::from_mins(10);
/// How many reports are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 1_024;

/// The reports of the last minutes, by their hashes.
#[derive(Debug, Default)]
pub(in crate::discovery) struct Recent(HashMap<u64, Instant>);

impl Recent {
    /// What a report is remembered by.
    pub fn key(report: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        report.hash(&mut hasher);
        hasher.finish()
    }

    /// Whether a report is new.
    pub fn is_new(&self, key: u64, now: Instant) -> bool {
        let before = self.0.get(&key);
        before.is_none_or(|at| now.duration_since(*at) >= WINDOW)
    }

    /// Remembers a report.
    pub fn remember(&mut self, key: u64, now: Instant) {
        if self.0.len() >= REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(key, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repeats_a_report_after_ten_minutes() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let [one, other] = ["one", "other"].map(Recent::key);
        recent.remember(one, start);
        assert!(recent.is_new(other, start));
        assert!(!recent.is_new(one, start + WINDOW / 2));
        assert!(recent.is_new(one, start + WINDOW));
    }

    #[tokio::test(start_paused = true)]
    async fn remembers_a_bounded_number() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        for number in 0..2 * REMEMBERED {
            recent.remember(Recent::key(number), start);
        }
        assert_eq!(recent.0.len(), REMEMBERED);
    }
}
