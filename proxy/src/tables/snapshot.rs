//! One generation of configuration, and the newest one.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout_at},
};

#[cfg(test)]
use super::Cluster;
use super::{Clusters, Listeners, Lookup, built_in};

/// How long connections keep to a listener that is gone: Istio's `drainDuration`.
const LEAVING_TIME: Duration = Duration::from_secs(45);
/// How long new connections may still come as a listener had them that is gone. The control plane tells servers
/// and their clients of a change at about the same time, not at the same moment.
const MOMENT: Duration = Duration::from_secs(5);
/// How far the old listeners that are kept are apart, but for the newest ones: at most 17 are kept
/// at a time, however often listeners change. One that was there for less may leave sooner.
const APART: Duration = Duration::from_secs(3);

/// The generation that the proxy has by itself.
const BUILT_IN: u64 = 1;

/// One generation of tables, which a [`super::Publisher`] gives to the workers.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts from 1.
    pub generation: u64,
    /// Shared by the generations in which no listener and no route has changed.
    pub listeners: Arc<Listeners>,
    /// What routes cite by name.
    pub clusters: Arc<Clusters>,
    /// Where the tables come from, such as `pillion-discovery.istio-system.svc:15012`, for
    /// those who wait for newer ones.
    pub server: Arc<str>,
    /// The newest of the generations before, whose listeners connections would miss in the one
    /// that followed it; 0 if there is none. The publisher finds it out.
    pub(super) missed: u64,
}

impl Snapshot {
    /// These tables.
    pub fn new(
        generation: u64,
        listeners: Arc<Listeners>,
        clusters: Arc<Clusters>,
        server: Arc<str>,
    ) -> Self {
        Self {
            generation,
            listeners,
            clusters,
            server,
            missed: 0,
        }
    }

    /// The tables of a proxy without a control plane: everything goes to where the
    /// application sent it.
    pub fn pass_through(detection_timeout: Duration) -> Self {
        Self::new(
            BUILT_IN,
            Arc::new(built_in::listeners(detection_timeout)),
            Arc::new(built_in::clusters()),
            Arc::from("none"),
        )
    }
}

#[cfg(test)]
impl Snapshot {
    /// Has every request and every connection go to that cluster.
    pub fn forwarding_all_to(cluster: Arc<Cluster>) -> Self {
        let name = cluster.name();
        Self {
            listeners: Arc::new(built_in::listeners_to((name, name), Duration::ZERO)),
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
    /// The same for other listeners.
    changed: Notify,
    /// Older ones than those of the newest snapshot.
    leaving: RefCell<Leaving>,
    /// The same, and when each was replaced.
    replaced: RefCell<Vec<(Arc<Listeners>, Instant)>>,
}

/// Listeners of old snapshots, the newest first. Clones are the same.
pub(crate) type Leaving = Rc<[Arc<Listeners>]>;

/// Old listeners, the oldest first, and when each was replaced.
#[derive(Debug, Default)]
struct Old(VecDeque<(Arc<Listeners>, Instant)>);

impl Old {
    /// Keeps listeners that others have taken the place of. The newest ones always stay; those
    /// before them go if older ones are kept that were replaced only just before.
    fn add(&mut self, listeners: Arc<Listeners>, now: Instant) {
        let mut newest = self.0.iter().rev().map(|(_, replaced)| *replaced);
        if let (Some(second), Some(third)) = (newest.next(), newest.next())
            && second < third + APART
        {
            self.0.pop_back();
        }
        self.0.push_back((listeners, now));
    }

    /// When the oldest ones go.
    fn deadline(&self) -> Option<Instant> {
        self.0.front().map(|(_, replaced)| *replaced + LEAVING_TIME)
    }

    fn forget_oldest(&mut self) {
        self.0.pop_front();
    }

    fn newest_first(&self) -> Leaving {
        let all = self.0.iter().rev();
        all.map(|(listeners, _)| Arc::clone(listeners)).collect()
    }
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
            changed: Notify::new(),
            leaving: RefCell::new(Rc::from([])),
            replaced: RefCell::default(),
        }))
    }

    /// Returns the newest snapshot, which does not change while it is held.
    pub fn get(&self) -> Held {
        Rc::clone(&self.0.held.borrow())
    }

    /// Listeners that were there not long ago, for connections that have begun with one that is
    /// gone.
    pub fn leaving(&self) -> Leaving {
        Rc::clone(&self.0.leaving.borrow())
    }

    /// Listeners that were there a moment ago, the newest first, for connections whose clients may not know yet
    /// that these are gone.
    pub fn just_left(&self) -> Vec<Arc<Listeners>> {
        let replaced = self.0.replaced.borrow();
        let just = replaced.iter().filter(|(_, at)| at.elapsed() < MOMENT);
        just.map(|(listeners, _)| Arc::clone(listeners)).collect()
    }

    /// Waits until there is another generation than that.
    pub async fn newer_than(&self, generation: u64) {
        let newer = self.0.newer.notified();
        if self.get().generation == generation {
            newer.await;
        }
    }

    /// Waits until the newest listeners have had no place for something for as long as connections keep to those
    /// that are gone. It looks again only when listeners have changed.
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
        let mut old = Old::default();
        // What a proxy has before it is told anything is no configuration that a client could know.
        let built_in = match self.get() {
            first if first.generation == BUILT_IN => Some(Arc::downgrade(&first.listeners)),
            _ => None,
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
                    old.add(last, Instant::now());
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    old.forget_oldest();
                }
            }
            self.0.leaving.replace(old.newest_first());
            let is_built_in = |listeners| {
                let built_in = built_in.as_ref().map(Weak::as_ptr);
                built_in == Some(Arc::as_ptr(listeners))
            };
            let told = old.0.iter().rev();
            let told = told.filter(|(listeners, _)| !is_built_in(listeners));
            self.0.replaced.replace(told.cloned().collect());
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

#[cfg(test)]
mod tests {
    use tokio::{
        task::{LocalSet, yield_now},
        time::sleep,
    };

    use super::*;
    use crate::tables::Publisher;

    const SECOND: Duration = Duration::from_secs(1);

    fn numbered(generation: u64) -> Snapshot {
        let mut snapshot = Snapshot::pass_through(Duration::ZERO);
        snapshot.generation = generation;
        snapshot
    }

    /// The same, with one port, which no other generation has.
    fn with_own_port(generation: u16) -> Snapshot {
        let mut snapshot = numbered(generation.into());
        let listener = snapshot.listeners.outbound.default.clone().unwrap();
        snapshot.listeners = Arc::new(Listeners {
            bound: [(generation, listener)].into(),
            ..Listeners::default()
        });
        snapshot
    }

    /// With the port of another generation.
    fn with_port_of(other: u16, generation: u64) -> Snapshot {
        let mut snapshot = with_own_port(other);
        snapshot.generation = generation;
        snapshot
    }

    /// Who publishes, and a worker that follows.
    fn followed(first: Snapshot) -> (Publisher, Current, LocalSet) {
        let (publisher, updates) = Publisher::new(first);
        let current = Current::new(&updates);
        let tasks = LocalSet::new();
        tasks.spawn_local(current.clone().follow(updates));
        (publisher, current, tasks)
    }

    #[tokio::test]
    async fn a_newer_snapshot_does_not_change_what_is_held() {
        let (mut publisher, current, tasks) = followed(numbered(1));
        let check = async {
            let held = current.get();
            publisher.publish(numbered(2));
            yield_now().await;
            yield_now().await;
            assert_eq!((held.generation, current.get().generation), (1, 2));
        };
        tasks.run_until(check).await;
    }

    fn second(tables: &Snapshot) -> Lookup<u64> {
        match tables.generation {
            1 => Lookup::Waiting,
            generation => Lookup::Found(generation),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_finds_what_newer_tables_say() {
        let (mut publisher, current, tasks) = followed(numbered(1));
        let check = async {
            let limit = Duration::from_secs(5);
            assert_eq!(current.look_up(limit, second).await, Lookup::Waiting);
            let send = async {
                sleep(SECOND).await;
                publisher.publish(numbered(2));
            };
            let (found, ()) = tokio::join!(current.look_up(limit, second), send);
            assert_eq!(found, Lookup::Found(2));
        };
        tasks.run_until(check).await;
    }

    #[tokio::test(start_paused = true)]
    async fn old_listeners_leave_after_a_while() {
        let (mut publisher, current, tasks) = followed(with_own_port(1));
        let check = async {
            let first = Arc::clone(&current.get().listeners);
            assert!(current.leaving().is_empty());
            publisher.publish(with_own_port(2));
            sleep(SECOND).await;
            let second = Arc::clone(&current.get().listeners);
            sleep(39 * SECOND).await;
            publisher.publish(with_own_port(3));
            sleep(4 * SECOND).await;
            let leaving = current.leaving();
            assert!(Arc::ptr_eq(&leaving[0], &second) && Arc::ptr_eq(&leaving[1], &first));
            // Each has its own time.
            sleep(40 * SECOND).await;
            let leaving = current.leaving();
            assert!(leaving.len() == 1 && Arc::ptr_eq(&leaving[0], &second));
            sleep(2 * SECOND).await;
            assert!(current.leaving().is_empty());
        };
        tasks.run_until(check).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_place_any_more_has_left_after_the_same_while() {
        let (mut publisher, current, tasks) = followed(with_own_port(1));
        let check = async {
            let has_port = |listeners: &Listeners| listeners.bound.contains_key(&1);
            let began = Instant::now();
            let change = async {
                for (seconds, next) in [
                    // The listeners are the same.
                    (10_u32, None),
                    (10, Some(with_own_port(3))),
                    // It has its place again, and then the time begins anew.
                    (30, Some(with_port_of(1, 4))),
                    (10, Some(with_own_port(5))),
                    (10, Some(with_own_port(6))),
                ] {
                    sleep(seconds * SECOND).await;
                    let same = || {
                        let mut same = Snapshot::pass_through(Duration::ZERO);
                        same.generation = 2;
                        same.listeners = Arc::clone(&publisher.newest().listeners);
                        same
                    };
                    let next = next.unwrap_or_else(same);
                    publisher.publish(next);
                }
            };
            tokio::join!(current.left_by(has_port), change);
            assert_eq!(began.elapsed().as_secs(), 60 + 45);
        };
        tasks.run_until(check).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_just_left_was_told_by_the_control_plane() {
        let (mut publisher, current, tasks) = followed(with_own_port(1));
        let check = async {
            publisher.publish(with_own_port(2));
            sleep(SECOND).await;
            assert_eq!((current.leaving().len(), current.just_left().len()), (1, 0));
            let second = Arc::clone(&current.get().listeners);
            publisher.publish(with_own_port(3));
            sleep(4 * SECOND).await;
            assert!(matches!(&current.just_left()[..], [left] if Arc::ptr_eq(left, &second)));
            sleep(2 * SECOND).await;
            assert_eq!((current.leaving().len(), current.just_left().len()), (2, 0));
        };
        tasks.run_until(check).await;
    }

    #[tokio::test(start_paused = true)]
    async fn listeners_that_no_connection_needs_are_not_kept() {
        let (mut publisher, current, tasks) = followed(numbered(1));
        let check = async {
            let first = Arc::downgrade(&publisher.newest().listeners);
            publisher.publish(numbered(2));
            sleep(SECOND).await;
            publisher.free();
            assert!(current.leaving().is_empty() && first.upgrade().is_none());
            // Those before it stay for their time, whatever comes after them.
            for newer in [with_own_port(3), with_port_of(3, 4), with_own_port(5)] {
                publisher.publish(newer);
                sleep(SECOND).await;
            }
            assert_eq!(current.leaving().len(), 2);
        };
        tasks.run_until(check).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_skips_a_generation_keeps_what_is_missed_in_that_one() {
        for skipped in [
            // The port is gone, and then the others change nothing more.
            [numbered(2), numbered(3), numbered(4)],
            // The same, later.
            [with_port_of(1, 2), numbered(3), numbered(4)],
            [with_port_of(1, 2), with_port_of(1, 3), numbered(4)],
        ] {
            let (mut publisher, current, tasks) = followed(with_own_port(1));
            let check = async {
                let first = Arc::clone(&current.get().listeners);
                skipped
                    .into_iter()
                    .for_each(|newer| publisher.publish(newer));
                sleep(SECOND).await;
                assert_eq!(current.get().generation, 4);
                let leaving = current.leaving();
                assert!(leaving.len() == 1 && Arc::ptr_eq(&leaving[0], &first));
                // That was all of it.
                publisher.publish(numbered(5));
                sleep(SECOND).await;
                assert_eq!(current.leaving().len(), 1);
            };
            tasks.run_until(check).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_old_listeners_are_kept_however_often_they_change() {
        let (mut publisher, current, tasks) = followed(with_own_port(1));
        let check = async {
            for generation in 2..500 {
                publisher.publish(with_own_port(generation));
                sleep(SECOND / 5).await;
                assert!(current.leaving().len() <= 17);
            }
            assert!(current.leaving().len() >= 15);
        };
        tasks.run_until(check).await;
    }
}
