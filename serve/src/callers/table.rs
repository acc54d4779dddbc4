//! The places of a port: who has them, who waits, and who is evicted.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{address::Caller, shares::Shares};
use crate::Limits;

/// How long an address stays known after its last connection, if its requests succeeded.
const REMEMBERED: Duration = Duration::from_secs(600);
/// How many addresses are remembered: more than there are API servers.
const MOST_REMEMBERED: usize = 256;
/// The fraction (one in this many) of the slots that is reserved for known addresses.
const RESERVED: usize = 8;

/// The places, and the callers. A connection that waits is sent a `P` when it gets a place.
#[derive(Debug)]
pub(super) struct Table<P> {
    places: usize,
    of_one_caller: usize,
    most_waiting: usize,
    taken: usize,
    waiting: usize,
    next_number: u64,
    callers: HashMap<Caller, Present<P>>,
    /// Known callers without a connection, and until when they stay known.
    remembered: HashMap<Caller, Instant>,
}

/// A caller that has connections, or waits.
#[derive(Debug)]
struct Present<P> {
    /// Connections by their numbers, the newest last.
    connections: BTreeMap<u64, Place>,
    waiting: VecDeque<(u64, oneshot::Sender<P>)>,
    shares: Option<Arc<Shares>>,
    is_known: bool,
}

#[derive(Debug)]
struct Place {
    useful: Arc<AtomicU32>,
    evicted: CancellationToken,
}

/// Whether a new connection gets a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Place,
    Wait,
    Refuse,
}

impl Place {
    fn useful(&self) -> u32 {
        self.useful.load(Ordering::Relaxed)
    }
}

// Derived, it would ask for a default of a `P`, too.
impl<P> Default for Present<P> {
    fn default() -> Self {
        Self {
            connections: BTreeMap::new(),
            waiting: VecDeque::new(),
            shares: None,
            is_known: false,
        }
    }
}

impl<P> Present<P> {
    fn is_known(&self) -> bool {
        self.is_known || self.connections.values().any(|place| place.useful() > 0)
    }
}

impl<P> Table<P> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            places: limits.connections,
            of_one_caller: limits.of_one_caller(limits.connections),
            most_waiting: limits.waiting,
            taken: 0,
            waiting: 0,
            next_number: 0,
            callers: HashMap::new(),
            remembered: HashMap::new(),
        }
    }

    /// Decides on a new connection, and evicts another for it where that is due.
    pub(super) fn admit(&mut self, caller: Caller, now: Instant) -> Verdict {
        let is_known = self.is_known(caller, now);
        let (own, own_waiting) = self.callers.get(&caller).map_or((0, 0), |present| {
            (present.connections.len(), present.waiting.len())
        });
        if own < self.of_one_caller {
            let free = self.places.saturating_sub(self.taken);
            if free > self.places / RESERVED || (is_known && free > 0) {
                return Verdict::Place;
            }
            if let Some(other) = self.who_makes_room(caller, own, is_known) {
                self.evict(other);
                return Verdict::Place;
            }
        }
        if self.waiting < self.most_waiting && own_waiting <= self.most_waiting / 2 {
            Verdict::Wait
        } else {
            Verdict::Refuse
        }
    }

    /// The caller that loses a place: of those that hold more than the new connection's
    /// will, the one that holds most; for a known caller also an unknown one with less.
    fn who_makes_room(&self, caller: Caller, own: usize, is_known: bool) -> Option<Caller> {
        let others = self.callers.iter().filter(|(other, _)| **other != caller);
        let (other, _) = others
            .map(|(other, present)| (other, present.connections.len(), present.is_known()))
            .filter(|(_, held, other_is_known)| {
                *held > own + 1 || (is_known && !other_is_known && *held > own)
            })
            .map(|(other, held, other_is_known)| (*other, (held, !other_is_known)))
            .max_by_key(|(_, rank)| *rank)?;
        Some(other)
    }

    /// Evicts a connection: one with the fewest useful requests, the newest of those.
    fn evict(&mut self, caller: Caller) {
        let Some(present) = self.callers.get_mut(&caller) else {
            return;
        };
        let connections = present.connections.iter();
        let least = connections.min_by_key(|(number, place)| (place.useful(), u64::MAX - **number));
        if let Some(number) = least.map(|(number, _)| *number)
            && let Some(place) = present.connections.remove(&number)
        {
            place.evicted.cancel();
            self.taken -= 1;
        }
    }

    /// Adds a connection; returns its number, and what it shares with others.
    pub(super) fn connect(
        &mut self,
        caller: Caller,
        useful: &Arc<AtomicU32>,
        evicted: &CancellationToken,
        shares: impl FnOnce() -> Arc<Shares>,
    ) -> (u64, Arc<Shares>) {
        let number = self.number();
        self.taken += 1;
        let is_remembered = self.remembered.remove(&caller).is_some();
        let present = self.callers.entry(caller).or_default();
        present.is_known |= is_remembered;
        let place = Place {
            useful: Arc::clone(useful),
            evicted: evicted.clone(),
        };
        present.connections.insert(number, place);
        let shares = present.shares.get_or_insert_with(shares);
        (number, Arc::clone(shares))
    }

    /// Removes a connection that has ended.
    pub(super) fn disconnect(&mut self, caller: Caller, number: u64, now: Instant) {
        let Some(present) = self.callers.get_mut(&caller) else {
            return;
        };
        // An evicted connection has lost its place already.
        if let Some(place) = present.connections.remove(&number) {
            present.is_known |= place.useful() > 0;
            self.taken -= 1;
        }
        self.forget_if_gone(caller, now);
    }

    /// Adds a connection that waits for a place; returns its number.
    pub(super) fn wait(&mut self, caller: Caller, place: oneshot::Sender<P>) -> u64 {
        let number = self.number();
        self.waiting += 1;
        let present = self.callers.entry(caller).or_default();
        present.waiting.push_back((number, place));
        number
    }

    /// Removes a connection that no longer waits.
    pub(super) fn give_up(&mut self, caller: Caller, number: u64) {
        if let Some(present) = self.callers.get_mut(&caller) {
            let before = present.waiting.len();
            present.waiting.retain(|(other, _)| *other != number);
            self.waiting -= before - present.waiting.len();
        }
        self.forget_if_gone(caller, Instant::now());
    }

    /// The waiting connection that gets a free place: one of the caller with the
    /// fewest places.
    pub(super) fn next_waiting(&mut self) -> Option<(Caller, oneshot::Sender<P>)> {
        if self.waiting == 0 || self.taken >= self.places {
            return None;
        }
        let of_one_caller = self.of_one_caller;
        let only_reserved_ones = self.places - self.taken <= self.places / RESERVED;
        let waiting = self.callers.iter_mut();
        let (caller, present) = waiting
            .filter(|(_, present)| !present.waiting.is_empty())
            .filter(|(_, present)| present.connections.len() < of_one_caller)
            .filter(|(_, present)| !only_reserved_ones || present.is_known())
            .min_by_key(|(_, present)| present.connections.len())?;
        let (_, place) = present.waiting.pop_front()?;
        self.waiting -= 1;
        Some((*caller, place))
    }

    /// Whether connections of a caller wait for a place.
    pub(super) fn has_waiting(&self, caller: Caller) -> bool {
        let present = self.callers.get(&caller);
        present.is_some_and(|present| !present.waiting.is_empty())
    }

    /// Whether requests of a caller that has a connection have been of use.
    pub(super) fn is_present_and_known(&self, caller: Caller) -> bool {
        self.callers.get(&caller).is_some_and(Present::is_known)
    }

    fn is_known(&self, caller: Caller, now: Instant) -> bool {
        self.callers.get(&caller).is_some_and(Present::is_known)
            || self
                .remembered
                .get(&caller)
                .is_some_and(|until| now < *until)
    }

    fn forget_if_gone(&mut self, caller: Caller, now: Instant) {
        let is_gone = self
            .callers
            .get(&caller)
            .is_some_and(|present| present.connections.is_empty() && present.waiting.is_empty());
        if is_gone
            && self
                .callers
                .remove(&caller)
                .is_some_and(|present| present.is_known)
        {
            self.remember(caller, now);
        }
    }

    fn remember(&mut self, caller: Caller, now: Instant) {
        self.remembered.retain(|_, until| now < *until);
        if self.remembered.len() >= MOST_REMEMBERED {
            let soonest = self.remembered.iter().min_by_key(|(_, until)| **until);
            if let Some(soonest) = soonest.map(|(caller, _)| *caller) {
                self.remembered.remove(&soonest);
            }
        }
        self.remembered.insert(caller, now + REMEMBERED);
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

#[cfg(test)]
mod tests;
