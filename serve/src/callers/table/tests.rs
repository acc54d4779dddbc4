use std::net::IpAddr;

use tokio::sync::Semaphore;

use super::*;
use crate::Budget;

fn caller(last: u8) -> Caller {
    Caller::of(IpAddr::from([10, 0, 0, last]))
}

/// The places of a port, with the tokens and counters of its connections.
struct Port {
    table: Table<()>,
    now: Instant,
    open: Vec<(Caller, u64, Arc<AtomicU32>, CancellationToken)>,
}

impl Port {
    /// With so many places, of which an address may have all but one.
    fn with(places: usize) -> Self {
        let limits = Limits {
            connections: places,
            callers: 1,
            waiting: 4,
            ..Limits::default()
        };
        Self {
            table: Table::new(&limits),
            now: Instant::now(),
            open: Vec::new(),
        }
    }

    fn arrive(&mut self, last: u8) -> Verdict {
        let verdict = self.table.admit(caller(last), self.now);
        if verdict == Verdict::Place {
            let (useful, evicted) = (Arc::default(), CancellationToken::new());
            let shares = || {
                Arc::new(Shares {
                    requests: Semaphore::new(1),
                    budget: Budget::new(0),
                })
            };
            let (number, _) = self.table.connect(caller(last), &useful, &evicted, shares);
            self.open.push((caller(last), number, useful, evicted));
        }
        verdict
    }

    fn leave(&mut self, position: usize) {
        let (caller, number, ..) = self.open.remove(position);
        self.table.disconnect(caller, number, self.now);
    }

    fn record_useful(&self, position: usize) {
        self.open[position].2.fetch_add(1, Ordering::Relaxed);
    }

    /// The positions of those that have been evicted.
    fn evicted(&self) -> Vec<usize> {
        let is_evicted = |position: &usize| self.open[*position].3.is_cancelled();
        (0..self.open.len()).filter(is_evicted).collect()
    }
}

#[test]
fn a_newcomer_takes_the_newest_place_of_the_address_that_holds_most() {
    let mut port = Port::with(8);
    for last in [1, 1, 2, 2, 2, 3, 3] {
        assert_eq!(port.arrive(last), Verdict::Place);
    }
    assert!(port.evicted().is_empty());
    assert_eq!(port.arrive(9), Verdict::Place);
    assert_eq!(port.evicted(), [4]);
    assert_eq!(port.table.taken, 7);
}

#[test]
fn a_useful_connection_is_evicted_last() {
    let mut port = Port::with(8);
    for last in [2, 2, 2, 1, 1, 3, 3] {
        assert_eq!(port.arrive(last), Verdict::Place);
    }
    port.record_useful(2);
    assert_eq!(port.arrive(9), Verdict::Place);
    assert_eq!(port.evicted(), [1]);
}

#[test]
fn an_address_does_not_push_out_one_that_holds_no_more() {
    let mut port = Port::with(8);
    for last in [1, 1, 2, 2, 3, 3, 4] {
        assert_eq!(port.arrive(last), Verdict::Place);
    }
    // It would hold as many as they.
    assert_eq!(port.arrive(4), Verdict::Wait);
    assert!(port.evicted().is_empty());
}

#[test]
fn the_last_places_are_reserved_for_known_addresses() {
    let mut port = Port::with(8);
    for last in 1..=7 {
        assert_eq!(port.arrive(last), Verdict::Place);
    }
    assert_eq!(port.arrive(8), Verdict::Wait);
    port.record_useful(0);
    assert_eq!(port.arrive(1), Verdict::Place);
    assert_eq!(port.table.taken, 8);
    // And beyond, for the first connection of one that is known another makes room.
    assert_eq!(port.arrive(1), Verdict::Wait);
    port.table.remember(caller(9), port.now);
    assert_eq!(port.arrive(9), Verdict::Place);
    assert_eq!(port.evicted().len(), 1);
    assert_ne!(port.evicted(), [0]);
}

/// Two addresses can hold all places: each may have half of them.
#[test]
fn addresses_that_are_known_do_not_push_out_a_newcomer_that_holds_less() {
    let mut port = Port::with(16);
    for position in 0..16 {
        assert_eq!(port.arrive(1 + position % 2), Verdict::Place);
        port.record_useful(position.into());
    }
    assert_eq!(port.arrive(9), Verdict::Place);
    let newcomer = port.open.len() - 1;
    for last in [1, 2, 1, 2] {
        port.arrive(last);
    }
    assert!(!port.evicted().contains(&newcomer));
}

#[test]
fn a_free_place_that_is_kept_goes_to_no_address_that_is_not_known() {
    let mut port = Port::with(8);
    for position in 0..8 {
        assert_eq!(port.arrive(1), Verdict::Place, "{position}");
        port.record_useful(0);
    }
    let (sender, receiver) = oneshot::channel();
    std::mem::forget(receiver);
    port.table.wait(caller(2), sender);
    port.leave(7);
    assert!(port.table.next_waiting().is_none());
    port.leave(6);
    assert_eq!(port.table.next_waiting().unwrap().0, caller(2));
}

#[test]
fn an_address_is_remembered_for_a_while() {
    let mut port = Port::with(8);
    assert_eq!(port.arrive(1), Verdict::Place);
    port.record_useful(0);
    port.leave(0);
    for last in 2..=8 {
        assert_eq!(port.arrive(last), Verdict::Place);
    }
    assert!(port.table.is_known(caller(1), port.now));
    port.now += REMEMBERED;
    assert!(!port.table.is_known(caller(1), port.now));
}

#[test]
fn remembers_no_more_addresses_than_it_has_room_for() {
    let mut port = Port::with(8);
    for number in 0..1000_u32 {
        let address = Caller::of(IpAddr::from(number.to_be_bytes()));
        port.table.remember(address, port.now);
    }
    assert_eq!(port.table.remembered.len(), MOST_REMEMBERED);
}

#[test]
fn refuses_a_newcomer_where_too_many_wait() {
    let mut port = Port::with(1);
    assert_eq!(port.arrive(1), Verdict::Place);
    for last in 2..=5 {
        assert_eq!(port.arrive(last), Verdict::Wait);
        let (sender, _) = oneshot::channel();
        port.table.wait(caller(last), sender);
    }
    assert_eq!(port.arrive(6), Verdict::Refuse);
}

#[test]
fn a_free_place_goes_to_the_address_with_fewest() {
    let mut port = Port::with(4);
    for last in [1, 1, 1, 2] {
        assert_eq!(port.arrive(last), Verdict::Place);
        port.record_useful(port.open.len() - 1);
    }
    for last in [1, 2] {
        let (sender, receiver) = oneshot::channel();
        std::mem::forget(receiver);
        port.table.wait(caller(last), sender);
    }
    assert!(port.table.next_waiting().is_none());
    port.leave(0);
    let (next, _) = port.table.next_waiting().unwrap();
    assert_eq!(next, caller(2));
}

#[test]
fn an_address_that_has_left_leaves_nothing() {
    let mut port = Port::with(8);
    port.arrive(1);
    port.leave(0);
    let (sender, _) = oneshot::channel();
    let number = port.table.wait(caller(2), sender);
    port.table.give_up(caller(2), number);
    assert!(port.table.callers.is_empty());
    assert!(port.table.remembered.is_empty());
    assert_eq!((port.table.taken, port.table.waiting), (0, 0));
}
