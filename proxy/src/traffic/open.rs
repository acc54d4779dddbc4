//! The connections that are open.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use pillion_serve::Caller;
use tokio::sync::oneshot;

use super::places::{Place, Places};

/// The connections of all workers.
///
/// It is locked when a connection begins, ends, and has more requests at a time than before.
#[derive(Debug)]
pub(crate) struct Traffic {
    open: AtomicUsize,
    places: Mutex<Places>,
}

/// An open connection, which is counted as long as it lasts.
#[derive(Debug)]
pub(crate) struct Open {
    traffic: Arc<Traffic>,
    caller: Caller,
    number: u64,
}

/// Ends when a connection has to end, because another one has got its place.
#[derive(Debug)]
pub(crate) struct Evicted(oneshot::Receiver<()>);

impl Traffic {
    /// Has so many places for connections.
    pub fn new(limit: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            places: Mutex::new(Places::new(limit)),
        }
    }

    /// Counts a connection from that address. At the limit it gets the place of a connection
    /// of the address that has the most, or none if it is of that address itself.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<(Open, Evicted)> {
        let caller = Caller::of(peer);
        let Place { number, evicted } = self.places().take(caller)?;
        self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open {
            traffic: Arc::clone(self),
            caller,
            number,
        };
        Some((open, Evicted(evicted)))
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // After a panic it may count one connection too many or too few.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Takes one more place for the connection, if there is one.
    pub(super) fn grow(&self) -> bool {
        self.traffic.places().grow(self.caller, self.number)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.traffic.open.fetch_sub(1, Ordering::Relaxed);
        let mut places = self.traffic.places();
        places.give_back(self.caller, self.number);
    }
}

impl Future for Evicted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_what_is_open_up_to_the_limit() {
        let traffic = Arc::new(Traffic::new(2));
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = traffic.enter(one).unwrap();
        let (second, evicted) = traffic.enter(one).unwrap();
        assert!(traffic.enter(one).is_none());
        let _third = traffic.enter(other).unwrap();
        evicted.await;
        // Until it has ended, there is one too many.
        assert_eq!(traffic.open(), 3);
        drop((first, second));
        assert_eq!(traffic.open(), 1);
        assert!(traffic.enter(one).is_some());
    }
}
