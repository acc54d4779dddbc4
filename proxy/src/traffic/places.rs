//! Who has the places, by the address of the client.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pillion_serve::Caller;
use tokio::sync::oneshot;

/// The places, of which there is a fixed number.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    taken: usize,
    next_number: u64,
    callers: HashMap<Caller, Present>,
    /// How many places each caller has, the one with the most last.
    by_count: BTreeSet<(usize, Caller)>,
}

/// A caller that has connections.
#[derive(Debug, Default)]
struct Present {
    /// By their numbers, the newest last.
    connections: BTreeMap<u64, Connected>,
    places: usize,
}

#[derive(Debug)]
struct Connected {
    places: usize,
    /// Dropping it tells the connection that it has lost its places.
    _evicted: oneshot::Sender<()>,
}

/// A new connection's place.
#[derive(Debug)]
pub(super) struct Place {
    pub number: u64,
    /// Ends when the place is given to another connection.
    pub evicted: oneshot::Receiver<()>,
}

impl Places {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: 0,
            next_number: 0,
            callers: HashMap::new(),
            by_count: BTreeSet::new(),
        }
    }

    /// Takes a place for a new connection. When there is none left, the caller that has the
    /// most loses its newest connection, unless this one has as many.
    pub fn take(&mut self, caller: Caller) -> Option<Place> {
        self.find_one_for(caller)?;
        let (sender, evicted) = oneshot::channel();
        self.next_number += 1;
        let number = self.next_number;
        let connected = Connected {
            places: 1,
            _evicted: sender,
        };
        self.change(caller, |present| {
            present.connections.insert(number, connected);
            present.places += 1;
        });
        Some(Place { number, evicted })
    }

    /// Takes another place for a connection, in the same way. Says whether there is one.
    pub fn grow(&mut self, caller: Caller, number: u64) -> bool {
        if self.find_one_for(caller).is_none() {
            return false;
        }
        let mut has_grown = false;
        self.change(caller, |present| {
            if let Some(connected) = present.connections.get_mut(&number) {
                connected.places += 1;
                present.places += 1;
                has_grown = true;
            }
        });
        has_grown
    }

    /// Gives a connection's places back, if others have not got them already.
    pub fn give_back(&mut self, caller: Caller, number: u64) {
        self.change(caller, |present| {
            let connected = present.connections.remove(&number);
            present.places -= connected.map_or(0, |connected| connected.places);
        });
    }

    /// Sees to it that a place is free.
    fn find_one_for(&mut self, caller: Caller) -> Option<()> {
        if self.taken < self.limit {
            return Some(());
        }
        let (most, other) = *self.by_count.last()?;
        let own = self.callers.get(&caller).map_or(0, |own| own.places);
        if most <= own + 1 {
            return None;
        }
        self.change(other, |present| {
            let newest = present.connections.pop_last();
            present.places -= newest.map_or(0, |(_, connected)| connected.places);
        });
        Some(())
    }

    /// Changes what a caller has, and the counts with it.
    fn change(&mut self, caller: Caller, change: impl FnOnce(&mut Present)) {
        let present = self.callers.entry(caller).or_default();
        let before = present.places;
        change(present);
        let after = present.places;
        self.taken = self.taken + after - before;
        if after == 0 {
            self.callers.remove(&caller);
        }
        if after != before {
            self.by_count.remove(&(before, caller));
            if after > 0 {
                self.by_count.insert((after, caller));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(last: u8) -> Caller {
        Caller::of([10, 0, 0, last].into())
    }

    fn is_evicted(place: &mut Place) -> bool {
        place.evicted.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn a_caller_that_has_all_places_makes_room_for_others() {
        let mut places = Places::new(4);
        let mut hog: Vec<_> = (0..4).map(|_| places.take(caller(1)).unwrap()).collect();
        assert!(places.take(caller(1)).is_none());
        let _place = places.take(caller(2)).unwrap();
        let evicted: Vec<_> = hog.iter_mut().map(is_evicted).collect();
        assert_eq!(evicted, [false, false, false, true]);
        assert_eq!(places.taken, 4);
    }

    #[test]
    fn callers_get_the_same_share() {
        let mut places = Places::new(4);
        let _hog: Vec<_> = (0..4).map(|_| places.take(caller(1)).unwrap()).collect();
        let mut other = vec![places.take(caller(2)).unwrap()];
        other.push(places.take(caller(2)).unwrap());
        assert!(places.take(caller(2)).is_none());
        assert!(places.take(caller(1)).is_none());
        assert!(!other.iter_mut().any(is_evicted));
    }

    #[test]
    fn a_connection_with_many_places_loses_all_of_them() {
        let mut places = Places::new(4);
        let mut hog = places.take(caller(1)).unwrap();
        while places.grow(caller(1), hog.number) {}
        assert_eq!(places.taken, 4);
        let other = places.take(caller(2)).unwrap();
        assert!(is_evicted(&mut hog));
        assert_eq!(places.taken, 1);
        // What is lost does not grow, and is not given back twice.
        assert!(!places.grow(caller(1), hog.number));
        places.give_back(caller(1), hog.number);
        assert!(places.grow(caller(2), other.number));
        assert_eq!(places.taken, 2);
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_left() {
        let mut places = Places::new(4);
        let place = places.take(caller(1)).unwrap();
        places.give_back(caller(1), place.number);
        places.give_back(caller(1), place.number);
        assert_eq!(places.taken, 0);
        assert!(places.callers.is_empty() && places.by_count.is_empty());
    }
}
