//! The newest snapshot, and the listeners that it does not have any more.

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Listeners, Lookup, Snapshot,
    leaving::{LEAVING_TIME, Leaving, Replaced},
};

/// The newest snapshot, as one worker knows it. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Current(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    held: RefCell<Held>,
    /// Notified of each newer snapshot.
    newer: Notify,
    /// Notified of each newer snapshot with other listeners.
    changed: Notify,
    /// Listeners that the newest snapshot has replaced.
    leaving: RefCell<Leaving>,
}

/// A worker's own count of who holds a snapshot: the inner one is shared with the other
/// workers, and would be written by all of them for each request.
pub(crate) type Held = Rc<Arc<Snapshot>>;

impl Current {
    /// Begins with the snapshot that the channel has.
    pub fn new(updates: &watch::Receiver<Arc<Snapshot>>) -> Self {
        let first = Rc::new(Arc::clone(&updates.borrow()));
        Self(Rc::new(Shared {
            held: RefCell::new(first),
            newer: Notify::new(),
            changed: Notify::new(),
            leaving: RefCell::default(),
        }))
    }

    /// Returns the newest snapshot, which does not change while it is held.
    pub fn get(&self) -> Held {
        Rc::clone(&self.0.held.borrow())
    }

    /// Returns the listeners that were there not long ago.
    pub fn leaving(&self) -> Leaving {
        self.0.leaving.borrow().clone()
    }

    /// Waits until there is a generation other than this one.
    pub async fn newer_than(&self, generation: u64) {
        let newer = self.0.newer.notified();
        if self.get().generation == generation {
            newer.await;
        }
    }

    /// Waits until `have_place` has been false of the newest listeners for [`LEAVING_TIME`]. It is only asked again
    /// when listeners have changed.
    pub async fn left_by(&self, have_place: impl Fn(&Listeners) -> bool) {
        let mut since = None;
        loop {
            let changed = self.0.changed.notified();
            let has_place = have_place(&self.get().listeners);
            if has_place {
                since = None;
                changed.await;
                continue;
            }
            let since = *since.get_or_insert_with(Instant::now);
            if timeout_at(since + LEAVING_TIME, changed).await.is_err() {
                return;
            }
        }
    }

    /// Looks something up. While the answer is [`Lookup::Waiting`], newer tables are tried, until `within` has passed.
    pub async fn look_up<T>(
        &self,
        within: Duration,
        look: impl Fn(&Snapshot) -> Lookup<T>,
    ) -> Lookup<T> {
        let deadline = Instant::now() + within;
        loop {
            let tables = self.get();
            let found = look(&tables);
            if !matches!(found, Lookup::Waiting)
                || timeout_at(deadline, self.newer_than(tables.generation))
                    .await
                    .is_err()
            {
                return found;
            }
        }
    }

    /// Takes each newer snapshot, for as long as there may be one.
    pub async fn follow(self, mut updates: watch::Receiver<Arc<Snapshot>>) {
        let mut old = Replaced::default();
        let first = self.get();
        let built_in = first
            .is_built_in()
            .then(|| Arc::downgrade(&first.listeners));
        drop(first);
        let is_built_in = |listeners: &Arc<Listeners>| {
            let built_in = built_in.as_ref().map(Weak::as_ptr);
            built_in == Some(Arc::as_ptr(listeners))
        };
        loop {
            let deadline = old.deadline();
            tokio::select! {
                changed = updates.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let newest = Rc::new(Arc::clone(&updates.borrow_and_update()));
                    let Some(last) = self.take(newest) else {
                        continue;
                    };
                    let was_told = !is_built_in(&last);
                    old.add(last, was_told, Instant::now());
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    old.forget_oldest();
                }
            }
            self.0.leaving.replace(old.newest_first());
        }
    }

    /// Takes a newer snapshot. Returns the last listeners if connections may need them that newer
    /// ones don't know, of this snapshot or of one that the worker has not seen: most changes are
    /// of routes, and a whole old table may be large.
    fn take(&self, newest: Held) -> Option<Arc<Listeners>> {
        let missed = newest.missed;
        let listeners = Arc::clone(&newest.listeners);
        let last = self.0.held.replace(newest);
        self.0.newer.notify_waiters();
        if !Arc::ptr_eq(&last.listeners, &listeners) {
            self.0.changed.notify_waiters();
        }
        (missed >= last.generation).then(|| Arc::clone(&last.listeners))
    }
}
