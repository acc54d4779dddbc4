//! Listeners that newer tables have replaced, and that connections still need.

use std::{collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Listeners;

/// How long connections keep to a listener that is gone: Istio's `drainDuration`.
pub(super) const LEAVING_TIME: Duration = Duration::from_secs(45);
/// How long new connections are still accepted as a replaced listener accepted them. Servers and their clients
/// learn of a change at about the same time, but not at the same moment, and clients follow it 2 s later. Where listeners
/// change in a row, some of them are kept for a time that is shorter by [`APART`].
const MOMENT: Duration = Duration::from_secs(8);
/// The least time between two old listeners that are kept, unless the later one is the newest: so at most 17
/// are kept, however often listeners change. Listeners that were in force for less may go early.
const APART: Duration = Duration::from_secs(3);

/// Old listeners, the newest first. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving(Rc<[Old]>);

impl Leaving {
    /// All of them, for connections that began before their listener was replaced.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Listeners>> {
        self.0.iter().map(|old| &old.listeners)
    }

    /// Those that were there a moment ago, for new connections whose clients may not know yet that they are gone.
    pub fn recent(&self) -> impl Iterator<Item = &Arc<Listeners>> {
        let recent = self
            .0
            .iter()
            .filter(|old| old.was_told && old.replaced.elapsed() < MOMENT);
        recent.map(|old| &old.listeners)
    }
}

#[derive(Debug, Clone)]
struct Old {
    listeners: Arc<Listeners>,
    replaced: Instant,
    /// Whether the control plane sent them, so that clients may know of them.
    was_told: bool,
}

/// Old listeners, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Replaced(VecDeque<Old>);

impl Replaced {
    /// Adds listeners that were replaced at this time. The ones that were the newest so far are dropped if
    /// they were replaced less than [`APART`] after the ones before them.
    pub fn add(&mut self, listeners: Arc<Listeners>, was_told: bool, now: Instant) {
        let mut newest = self.0.iter().rev().map(|old| old.replaced);
        if let (Some(second), Some(third)) = (newest.next(), newest.next())
            && second < third + APART
        {
            self.0.pop_back();
        }
        self.0.push_back(Old {
            listeners,
            replaced: now,
            was_told,
        });
    }

    /// Returns the time at which the oldest listeners go.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.front().map(|old| old.replaced + LEAVING_TIME)
    }

    pub fn forget_oldest(&mut self) {
        self.0.pop_front();
    }

    pub fn newest_first(&self) -> Leaving {
        Leaving(self.0.iter().rev().cloned().collect())
    }
}
