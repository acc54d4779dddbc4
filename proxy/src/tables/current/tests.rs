//! What a worker finds as tables change.

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

fn all(current: &Current) -> Vec<Arc<Listeners>> {
    current.leaving().all().cloned().collect()
}

fn recent(current: &Current) -> Vec<Arc<Listeners>> {
    current.leaving().recent().cloned().collect()
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
        assert!(all(&current).is_empty());
        publisher.publish(with_own_port(2));
        sleep(SECOND).await;
        let second = Arc::clone(&current.get().listeners);
        sleep(39 * SECOND).await;
        publisher.publish(with_own_port(3));
        sleep(4 * SECOND).await;
        let leaving = all(&current);
        assert!(Arc::ptr_eq(&leaving[0], &second) && Arc::ptr_eq(&leaving[1], &first));
        // Each has its own time.
        sleep(40 * SECOND).await;
        let leaving = all(&current);
        assert!(leaving.len() == 1 && Arc::ptr_eq(&leaving[0], &second));
        sleep(2 * SECOND).await;
        assert!(all(&current).is_empty());
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
        assert_eq!((all(&current).len(), recent(&current).len()), (1, 0));
        let second = Arc::clone(&current.get().listeners);
        publisher.publish(with_own_port(3));
        sleep(7 * SECOND).await;
        assert!(matches!(&recent(&current)[..], [left] if Arc::ptr_eq(left, &second)));
        sleep(2 * SECOND).await;
        assert_eq!((all(&current).len(), recent(&current).len()), (2, 0));
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
        assert!(all(&current).is_empty() && first.upgrade().is_none());
        // Those before it stay for their time, whatever comes after them.
        for newer in [with_own_port(3), with_port_of(3, 4), with_own_port(5)] {
            publisher.publish(newer);
            sleep(SECOND).await;
        }
        assert_eq!(all(&current).len(), 2);
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
            let leaving = all(&current);
            assert!(leaving.len() == 1 && Arc::ptr_eq(&leaving[0], &first));
            // That was all of it.
            publisher.publish(numbered(5));
            sleep(SECOND).await;
            assert_eq!(all(&current).len(), 1);
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
            assert!(all(&current).len() <= 17);
        }
        assert!(all(&current).len() >= 15);
    };
    tasks.run_until(check).await;
}
