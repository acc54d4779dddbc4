//! Who is connected, and who has to make room.
//!
//! The limits of a port protect the process; this module protects callers from each
//! other. An address may use a part of the limits. When all places are taken, a new
//! connection gets the place of a connection of the address that holds most, the
//! newest and least useful one first; a new connection of that same address, or of
//! one that has used up its part, waits for a place of its own address. Some places
//! are reserved for addresses whose requests have succeeded: without client
//! certificates nothing else tells proper callers from others.

mod address;
mod shares;
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

pub use self::address::Caller;
pub(crate) use self::shares::Shares;
use self::table::{Table, Verdict};
use crate::{Budget, Limits};

/// The addresses that have connections.
#[derive(Debug)]
pub(crate) struct Callers {
    limits: Limits,
    table: Mutex<Table<Connected>>,
}

/// A connection that has a place, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Connected {
    callers: Arc<Callers>,
    caller: Caller,
    number: u64,
    useful: Arc<AtomicU32>,
    /// The place has been given to another; the connection has to end.
    pub(crate) evicted: CancellationToken,
    pub(crate) shares: Arc<Shares>,
}

/// Whether a new connection gets a place.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It has a place.
    Connected(Connected),
    /// It gets a place when a connection of its own address ends.
    Waiting(Waiting),
    /// Too many are waiting.
    Refused,
}

/// A new connection without a place.
#[derive(Debug)]
pub(crate) struct Waiting {
    callers: Arc<Callers>,
    caller: Caller,
    number: u64,
    place: oneshot::Receiver<Connected>,
}

impl Callers {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            table: Mutex::new(Table::new(&limits)),
        }
    }

    /// A new connection of an address.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Admission {
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

    fn connect(self: &Arc<Self>, table: &mut Table<Connected>, caller: Caller) -> Connected {
        let useful = Arc::<AtomicU32>::default();
        let evicted = CancellationToken::new();
        let shares = || {
            Arc::new(Shares {
                requests: Semaphore::new(self.limits.of_one_caller(self.limits.in_flight / 4)),
                budget: Budget::new(self.limits.of_one_caller(self.limits.buffered_bytes)),
            })
        };
        let (number, shares) = table.connect(caller, &useful, &evicted, shares);
        Connected {
            callers: Arc::clone(self),
            caller,
            number,
            useful,
            evicted,
            shares,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table<Connected>> {
        // After a panic the table may count one connection too many or too few.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// Whether other connections of its address wait for a place.
    pub(crate) fn is_crowded(&self) -> bool {
        self.callers.lock().has_waiting(self.caller)
    }

    /// The caller that its address belongs to.
    pub(crate) fn caller(&self) -> Caller {
        self.caller
    }

    /// Whether requests of its address have been of use.
    pub(crate) fn is_known(&self) -> bool {
        self.useful.load(Ordering::Relaxed) > 0
            || self.callers.lock().is_present_and_known(self.caller)
    }

    /// Records that a request has been of use, which makes the address a known one.
    pub(crate) fn record_useful(&self) {
        self.useful.fetch_add(1, Ordering::Relaxed);
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
        // If the receiver is gone, dropping the value passes the place on.
        let _ = place.send(connected);
    }
}

impl Waiting {
    /// Waits for a place; `None` when the time for that is up.
    pub(crate) async fn place(mut self, limits: &Limits) -> Option<Connected> {
        timeout(limits.place, &mut self.place).await.ok()?.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.callers.lock().give_up(self.caller, self.number);
    }
}
