//! One generation of configuration, and the newest one.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

#[cfg(test)]
use super::Cluster;
use super::{Clusters, Listeners, Lookup, built_in};

/// One generation of tables.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts from 1.
    pub generation: u64,
    pub listeners: Listeners,
    /// What routes cite by name.
    pub clusters: Arc<Clusters>,
    /// Where the tables come from, such as `pillion-discovery.istio-system.svc:15012`, for
    /// those who wait for newer ones.
    pub server: Arc<str>,
}

impl Snapshot {
    /// The tables of a proxy without a control plane: everything goes to where the
    /// application sent it.
    pub fn pass_through(detection_timeout: Duration) -> Self {
        Self {
            generation: 1,
            listeners: built_in::listeners(detection_timeout),
            clusters: Arc::new(built_in::clusters()),
            server: Arc::from("none"),
        }
    }
}

#[cfg(test)]
impl Snapshot {
    /// Has every request and every connection go to that cluster.
    pub fn forwarding_all_to(cluster: Arc<Cluster>) -> Self {
        let name = cluster.name();
        Self {
            listeners: built_in::listeners_to((name, name), Duration::ZERO),
            clusters: Arc::new(Clusters::from_iter([Arc::clone(&cluster)])),
            ..Self::pass_through(Duration::ZERO)
        }
    }
}

/// The newest snapshot, as one worker knows it. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Current(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    held: RefCell<Held>,
    newer: Notify,
}

/// A worker's own count of who holds a snapshot: the inner one is shared with the other
/// workers, and would be written by all of them for each request.
pub(crate) type Held = Rc<Arc<Snapshot>>;

impl Current {
    /// Begins with what the channel has.
    pub fn new(updates: &watch::Receiver<Arc<Snapshot>>) -> Self {
        let first = Rc::new(Arc::clone(&updates.borrow()));
        Self(Rc::new(Shared {
            held: RefCell::new(first),
            newer: Notify::new(),
        }))
    }

    /// Returns the newest snapshot, which does not change while it is held.
    pub fn get(&self) -> Held {
        Rc::clone(&self.0.held.borrow())
    }

    /// Waits until there is another generation than that.
    pub async fn newer_than(&self, generation: u64) {
        let newer = self.0.newer.notified();
        if self.get().generation == generation {
            newer.await;
        }
    }

    /// Looks something up, in newer tables where these say that they will tell, for so long.
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
        while updates.changed().await.is_ok() {
            let newest = Rc::new(Arc::clone(&updates.borrow_and_update()));
            tracing::debug!(generation = newest.generation, "newer tables");
            self.0.held.replace(newest);
            self.0.newer.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn numbered(generation: u64) -> Arc<Snapshot> {
        let mut snapshot = Snapshot::pass_through(Duration::ZERO);
        snapshot.generation = generation;
        Arc::new(snapshot)
    }

    fn second(tables: &Snapshot) -> Lookup<u64> {
        match tables.generation {
            1 => Lookup::Waiting,
            generation => Lookup::Found(generation),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_finds_what_newer_tables_say() {
        let (sender, receiver) = watch::channel(numbered(1));
        let current = Current::new(&receiver);
        let tasks = LocalSet::new();
        tasks.spawn_local(current.clone().follow(receiver));
        let check = async {
            let limit = Duration::from_secs(5);
            assert_eq!(current.look_up(limit, second).await, Lookup::Waiting);
            let send = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                sender.send(numbered(2)).unwrap();
            };
            let (found, ()) = tokio::join!(current.look_up(limit, second), send);
            assert_eq!(found, Lookup::Found(2));
        };
        tasks.run_until(check).await;
    }
}
