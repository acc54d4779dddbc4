//! One generation of configuration, and the newest one.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use tokio::sync::watch;

use super::{Listeners, built_in};

/// One generation of tables.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts from 1.
    pub generation: u64,
    pub listeners: Listeners,
}

impl Snapshot {
    /// The tables of a proxy without a control plane: everything goes to where the
    /// application sent it.
    pub fn pass_through(detection_timeout: std::time::Duration) -> Self {
        Self {
            generation: 1,
            listeners: built_in::listeners(detection_timeout),
        }
    }
}

/// The newest snapshot, as one worker knows it. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Current(Rc<RefCell<Held>>);

/// A worker's own count of who holds a snapshot: the inner one is shared with the other
/// workers, and would be written by all of them for each request.
pub(crate) type Held = Rc<Arc<Snapshot>>;

impl Current {
    /// Begins with what the channel has.
    pub fn new(updates: &watch::Receiver<Arc<Snapshot>>) -> Self {
        let first = Rc::new(Arc::clone(&updates.borrow()));
        Self(Rc::new(RefCell::new(first)))
    }

    /// Returns the newest snapshot, which does not change while it is held.
    pub fn get(&self) -> Held {
        Rc::clone(&self.0.borrow())
    }

    /// Takes each newer snapshot, for as long as there may be one.
    pub async fn follow(self, mut updates: watch::Receiver<Arc<Snapshot>>) {
        while updates.changed().await.is_ok() {
            let newest = Rc::new(Arc::clone(&updates.borrow_and_update()));
            tracing::debug!(generation = newest.generation, "newer tables");
            self.0.replace(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::{LocalSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn a_newer_snapshot_does_not_change_what_is_held() {
        let snapshot = |generation| {
            let mut snapshot = Snapshot::pass_through(Duration::ZERO);
            snapshot.generation = generation;
            Arc::new(snapshot)
        };
        let (sender, receiver) = watch::channel(snapshot(1));
        let current = Current::new(&receiver);
        let tasks = LocalSet::new();
        tasks.spawn_local(current.clone().follow(receiver));
        let check = async {
            let held = current.get();
            sender.send(snapshot(2)).unwrap();
            yield_now().await;
            yield_now().await;
            assert_eq!((held.generation, current.get().generation), (1, 2));
        };
        tasks.run_until(check).await;
    }
}
