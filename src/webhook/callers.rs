//! Who is connected, and who has to make room.
//!
//! The limits of a port keep the process whole. That nobody uses them up for the
//! others is kept here. An address has a part of them at most. Where all places
//! are taken, a newcomer gets the place of a connection of the address that holds
//! most, the newest and least useful one first; a newcomer of that very address, or
//! of one that has its part, waits for one of its own. And some places are kept for addresses that have sent
//! reviews, for API servers can't be told from others by anything else, unless they
//! come with certificates.

mod address;
mod table;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

pub(super) use self::address::Caller;
use self::table::{Table, Verdict};
use super::{Limits, budget::Budget};

/// The addresses that have connections.
#[derive(Debug)]
pub(super) struct Callers {
    limits: Limits,
    table: Mutex<Table>,
}

/// What all connections of an address share.
#[derive(Debug)]
pub(super) struct Shares {
    /// Reviews in flight.
    pub(super) reviews: Semaphore,
    /// Memory for bodies and answers.
    pub(super) budget: Budget,
}

/// A connection that has a place, for as long as it lasts.
#[derive(Debug)]
pub(super) struct Connected {
    callers: Arc<Callers>,
    caller: Caller,
    number: u64,
    reviews: Arc<AtomicU32>,
    /// The place is somebody else's; the connection has to end.
    pub(super) evicted: CancellationToken,
    pub(super) shares: Arc<Shares>,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub(super) enum Admission {
    /// It has a place.
    Connected(Connected),
    /// It gets one when a connection of its own address ends.
    Waiting(Waiting),
    /// Too many wait.
    Refused,
}

/// A new connection without a place.
#[derive(Debug)]
pub(super) struct Waiting {
    callers: Arc<Callers>,
    caller: Caller,
    number: u64,
    place: oneshot::Receiver<Connected>,
}

impl Callers {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            table: Mutex::new(Table::new(&limits)),
        }
    }

    /// A new connection of an address.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Admission {
        let caller = Caller::of(address);
        let mut table = self.lock();
        match table.admit(caller, Instant::now()) {
            Verdict::Place => Admission::Connected(self.connect(&mut table, caller)),
            Verdict::Wait => {
                let (sender, place) = oneshot::channel();
                Admission::Waiting(Waiting {
                    callers: Arc::clone(self),
                    caller,
                    number: table.wait(caller, sender),
                    place,
                })
            }
            Verdict::Refuse => Admission::Refused,
        }
    }

    fn connect(self: &Arc<Self>, table: &mut Table, caller: Caller) -> Connected {
        let reviews = Arc::<AtomicU32>::default();
        let evicted = CancellationToken::new();
        let shares = || {
            Arc::new(Shares {
                reviews: Semaphore::new(self.limits.of_one_caller(self.limits.in_flight / 4)),
                budget: Budget::new(self.limits.of_one_caller(self.limits.buffered_bytes)),
            })
        };
        let (number, shares) = table.connect(caller, &reviews, &evicted, shares);
        Connected {
            callers: Arc::clone(self),
            caller,
            number,
            reviews,
            evicted,
            shares,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A table that a panic left in between counts a connection too many or too few.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// Whether others of its address wait for a place.
    pub(super) fn is_crowded(&self) -> bool {
        self.callers.lock().has_waiting(self.caller)
    }

    /// Whose it is.
    pub(super) fn caller(&self) -> Caller {
        self.caller
    }

    /// Whether its address has sent reviews before.
    pub(super) fn is_known(&self) -> bool {
        self.reviews.load(Ordering::Relaxed) > 0
            || self.callers.lock().is_present_and_known(self.caller)
    }

    /// A review has come by it.
    pub(super) fn reviewed(&self) {
        self.reviews.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut table = self.callers.lock();
        table.disconnect(self.caller, self.number, Instant::now());
        let Some((caller, place)) = table.next_waiting() else {
            return;
        };
        let connected = self.callers.connect(&mut table, caller);
        drop(table);
        // One that is gone gives the place on when this is dropped.
        let _ = place.send(connected);
    }
}

impl Waiting {
    /// Waits for a place, but not for ever.
    pub(super) async fn place(mut self, limits: &Limits) -> Option<Connected> {
        timeout(limits.place, &mut self.place).await.ok()?.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.callers.lock().give_up(self.caller, self.number);
    }
}
