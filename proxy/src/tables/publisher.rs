//! Where the newest snapshot comes from.

use std::{mem, sync::Arc};

use tokio::sync::watch;

use super::{Listeners, Snapshot};

/// Makes each snapshot the newest one for all workers.
///
/// Work that grows with the number of listeners is done here, in the thread that makes the tables, and
/// not by the workers, whose connections would wait: to compare listeners with those before, and to
/// free old tables, which are held here until nobody else does.
#[derive(Debug)]
pub(crate) struct Publisher {
    newest: watch::Sender<Arc<Snapshot>>,
    old: Vec<Arc<Snapshot>>,
    /// Listeners of snapshots that are freed already.
    old_listeners: Vec<Arc<Listeners>>,
}

impl Publisher {
    /// Begins with that snapshot, and says where workers hear of it and of newer ones.
    pub fn new(first: Snapshot) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let (newest, updates) = watch::channel(Arc::new(first));
        let publisher = Self {
            newest,
            old: Vec::new(),
            old_listeners: Vec::new(),
        };
        (publisher, updates)
    }

    /// Makes it the newest one.
    pub fn publish(&mut self, mut snapshot: Snapshot) {
        let last = Arc::clone(&self.newest.borrow());
        let has_same = Arc::ptr_eq(&last.listeners, &snapshot.listeners);
        snapshot.missed = match !has_same && last.listeners.are_missed_in(&snapshot.listeners) {
            true => last.generation,
            false => last.missed,
        };
        tracing::debug!(generation = snapshot.generation, "newer tables");
        self.newest.send_replace(Arc::new(snapshot));
        self.old.push(last);
        self.free();
    }

    /// Whether there are old tables that may have to be freed.
    pub fn has_old(&self) -> bool {
        !self.old.is_empty() || !self.old_listeners.is_empty()
    }

    /// Frees the old tables that nobody else holds any more.
    pub fn free(&mut self) {
        let is_held = |old: &Arc<Snapshot>| Arc::strong_count(old) > 1;
        let (held, free): (Vec<_>, _) = mem::take(&mut self.old).into_iter().partition(is_held);
        self.old = held;
        for snapshot in free {
            let listeners = &snapshot.listeners;
            // Workers keep listeners for longer, and generations share them.
            let mut known = self.old_listeners.iter();
            if !known.any(|known| Arc::ptr_eq(known, listeners)) {
                self.old_listeners.push(Arc::clone(listeners));
            }
        }
        self.old_listeners
            .retain(|listeners| Arc::strong_count(listeners) > 1);
    }

    /// The newest one.
    #[cfg(test)]
    pub fn newest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.newest.borrow())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn numbered(generation: u64) -> Snapshot {
        let mut snapshot = Snapshot::pass_through(Duration::ZERO);
        snapshot.generation = generation;
        snapshot
    }

    #[test]
    fn old_tables_are_freed_here_and_not_by_who_lets_go_of_them_last() {
        let (mut publisher, updates) = Publisher::new(numbered(1));
        let held = Arc::clone(&updates.borrow());
        let old = Arc::downgrade(&held);
        publisher.publish(numbered(2));
        drop(held);
        assert!(old.strong_count() == 1 && publisher.has_old());
        publisher.free();
        assert!(old.strong_count() == 0 && !publisher.has_old());
    }

    #[test]
    fn listeners_that_are_held_for_longer_are_freed_here_too() {
        let (mut publisher, updates) = Publisher::new(numbered(1));
        let first = Arc::clone(&updates.borrow());
        let kept = Arc::clone(&first.listeners);
        let (old, listeners) = (Arc::downgrade(&first), Arc::downgrade(&kept));
        // Several generations may have the same.
        let mut second = numbered(2);
        second.listeners = Arc::clone(&kept);
        publisher.publish(second);
        drop(first);
        publisher.publish(numbered(3));
        assert!(old.strong_count() == 0 && publisher.has_old());
        drop(kept);
        assert!(listeners.strong_count() == 1);
        publisher.free();
        assert!(listeners.strong_count() == 0 && !publisher.has_old());
    }
}
