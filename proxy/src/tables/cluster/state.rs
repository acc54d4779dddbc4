//! What workers and generations share of a cluster and of its endpoints.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

/// What is counted of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Connections, those without requests included.
    Connections,
    /// Requests that have no connection yet.
    Pending,
    /// Those of them that wait because there may not be another connection.
    Waiting,
    /// Requests.
    Requests,
    /// Requests that are sent another time.
    Retries,
}

/// The state of a cluster, by its name.
#[derive(Debug, Default)]
pub(crate) struct ClusterState {
    turn: AtomicUsize,
    connections: AtomicU32,
    pending: AtomicU32,
    waiting: AtomicU32,
    requests: AtomicU32,
    retries: AtomicU32,
    freed: Notify,
    endpoints: Mutex<HashMap<SocketAddr, Weak<EndpointState>>>,
}

/// The state of an endpoint, by its address.
#[derive(Debug, Default)]
pub(crate) struct EndpointState {
    active: AtomicU32,
}

/// One of what is counted, as long as it lasts.
#[derive(Debug)]
pub(crate) struct Permit {
    cluster: Arc<ClusterState>,
    counted: Counted,
}

/// A request that an endpoint has.
#[derive(Debug)]
pub(crate) struct ActiveRequest(Arc<EndpointState>);

impl ClusterState {
    /// The next number in a row that all workers share.
    pub fn turn(&self) -> usize {
        self.turn.fetch_add(1, Relaxed)
    }

    /// How many there are.
    pub fn count(&self, counted: Counted) -> u32 {
        self.counter(counted).load(Relaxed)
    }

    /// Counts one more, unless there are so many already.
    pub fn enter(self: &Arc<Self>, counted: Counted, limit: u32) -> Option<Permit> {
        let one_more = |count: u32| (count < limit).then(|| count.saturating_add(1));
        let counter = self.counter(counted);
        counter.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Permit {
            cluster: Arc::clone(self),
            counted,
        })
    }

    /// Wakes those that wait for a connection: not all of them may make one.
    pub fn wake(&self) {
        if self.count(Counted::Waiting) > 0 {
            self.freed.notify_waiters();
        }
    }

    /// Tells those who wait that a connection may be free.
    pub fn freed(&self) -> &Notify {
        &self.freed
    }

    /// The state of an endpoint, which is the same as long as anybody has it.
    pub(super) fn endpoint(&self, address: SocketAddr) -> Arc<EndpointState> {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = endpoints.entry(address).or_default();
        known.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *known = Arc::downgrade(&new);
            new
        })
    }

    /// Forgets the endpoints that nobody has any more.
    pub(super) fn forget_endpoints(&self) {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        endpoints.retain(|_, known| known.strong_count() > 0);
    }

    fn counter(&self, counted: Counted) -> &AtomicU32 {
        match counted {
            Counted::Connections => &self.connections,
            Counted::Pending => &self.pending,
            Counted::Waiting => &self.waiting,
            Counted::Requests => &self.requests,
            Counted::Retries => &self.retries,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.cluster.counter(self.counted).fetch_sub(1, Relaxed);
        if self.counted == Counted::Connections {
            self.cluster.wake();
        }
    }
}

impl EndpointState {
    /// How many requests it has.
    pub fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// Counts a request.
    pub fn begin(self: &Arc<Self>) -> ActiveRequest {
        self.active.fetch_add(1, Relaxed);
        ActiveRequest(Arc::clone(self))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

/// A mark that connections have in common which may be used for each other's requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PoolMark {
    number: u64,
}

impl PoolMark {
    /// Another one than all before.
    pub(super) fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Relaxed),
        }
    }

    /// Its number, which no other mark of this process has.
    pub fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_up_to_the_limit() {
        let state = Arc::<ClusterState>::default();
        let first = state.enter(Counted::Requests, 2).unwrap();
        let _second = state.enter(Counted::Requests, 2).unwrap();
        assert!(state.enter(Counted::Requests, 2).is_none());
        assert!(state.enter(Counted::Connections, 1).is_some());
        drop(first);
        assert_eq!(state.count(Counted::Requests), 1);
        assert!(state.enter(Counted::Requests, 2).is_some());
        assert!(state.enter(Counted::Pending, 0).is_none());
    }

    #[test]
    fn an_endpoint_keeps_its_state_while_it_is_known() {
        let state = ClusterState::default();
        let address = SocketAddr::from(([10, 0, 0, 1], 80));
        let first = state.endpoint(address);
        let request = first.begin();
        assert_eq!(state.endpoint(address).active(), 1);
        drop(first);
        assert_eq!(state.endpoint(address).active(), 1);
        drop(request);
        assert_eq!(state.endpoint(address).active(), 0);
        state.forget_endpoints();
        assert!(state.endpoints.lock().unwrap().is_empty());
    }
}
