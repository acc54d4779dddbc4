//! Until when names are waited for that have been asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;

/// Names that nothing is known of yet.
#[derive(Debug, Default)]
pub(super) struct Waits(BTreeMap<Arc<str>, Instant>);

impl Waits {
    /// Replaces the awaited names. New ones are awaited until `until`.
    pub fn keep(&mut self, names: BTreeSet<Arc<str>>, until: Instant) {
        self.0.retain(|name, _| names.contains(name));
        for name in names {
            self.0.entry(name).or_insert(until);
        }
    }

    /// Those that have been waited for long enough.
    pub fn take_expired(&mut self, now: Instant) -> Vec<Arc<str>> {
        let over = self.0.iter().filter(|(_, until)| **until <= now);
        let over: Vec<_> = over.map(|(name, _)| Arc::clone(name)).collect();
        for name in &over {
            self.0.remove(name);
        }
        over
    }

    /// The end of the first wait.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }
}
