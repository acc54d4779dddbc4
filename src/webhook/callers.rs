//! What one address takes of a port.
//!
//! The limits of a port keep the process whole. That no caller uses them up for
//! the others is kept here: each address has a part of them at most.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

use super::{Limits, budget::Budget};

/// The addresses that have connections.
#[derive(Debug)]
pub(super) struct Callers {
    limits: Limits,
    present: Mutex<HashMap<IpAddr, Present>>,
}

#[derive(Debug)]
struct Present {
    connections: usize,
    shares: Arc<Shares>,
}

/// What all connections of an address share.
#[derive(Debug)]
pub(super) struct Shares {
    /// Reviews in flight.
    pub(super) reviews: Semaphore,
    /// Memory for bodies and answers.
    pub(super) budget: Budget,
}

/// A connection of an address, for as long as it lasts.
#[derive(Debug)]
pub(super) struct Connected {
    callers: Arc<Callers>,
    address: IpAddr,
    pub(super) shares: Arc<Shares>,
}

impl Callers {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            present: Mutex::default(),
        }
    }

    /// One more connection of an address; `None` where it has too many.
    pub(super) fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let mut present = self.lock();
        let caller = present.entry(address).or_insert_with(|| Present {
            connections: 0,
            shares: Arc::new(Shares {
                reviews: Semaphore::new(self.limits.of_one_caller(self.limits.in_flight)),
                budget: Budget::new(self.limits.of_one_caller(self.limits.buffered_bytes)),
            }),
        });
        if caller.connections >= self.limits.of_one_caller(self.limits.connections) {
            return None;
        }
        caller.connections += 1;
        Some(Connected {
            callers: Arc::clone(self),
            address,
            shares: Arc::clone(&caller.shares),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Present>> {
        // Each change of the map is a single step.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Entry::Occupied(mut caller) = self.callers.lock().entry(self.address) {
            caller.get_mut().connections -= 1;
            if caller.get().connections == 0 {
                caller.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers() -> Arc<Callers> {
        Arc::new(Callers::new(Limits {
            callers: 2,
            connections: 4,
            in_flight: 4,
            ..Limits::default()
        }))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_a_part_of_the_connections() {
        let callers = callers();
        let first = callers.connect(address("10.0.0.1"));
        let second = callers.connect(address("10.0.0.1"));
        assert!(first.is_some() && second.is_some());
        assert!(callers.connect(address("10.0.0.1")).is_none());
        assert!(callers.connect(address("10.0.0.2")).is_some());
        drop(first);
        assert!(callers.connect(address("10.0.0.1")).is_some());
    }

    #[test]
    fn the_connections_of_an_address_share_what_it_has() {
        let callers = callers();
        let first = callers.connect(address("10.0.0.1")).unwrap();
        let second = callers.connect(address("10.0.0.1")).unwrap();
        let _review = first.shares.reviews.try_acquire().unwrap();
        assert_eq!(second.shares.reviews.available_permits(), 1);
    }

    #[test]
    fn an_address_that_has_left_leaves_nothing() {
        let callers = callers();
        drop(callers.connect(address("10.0.0.1")));
        assert!(callers.lock().is_empty());
    }
}
