//! The connections that the proxy carries, counted across workers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The way of a connection, seen from the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the application to somewhere else.
    Outbound,
    /// To the application.
    Inbound,
}

impl Direction {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

/// The connections of all workers.
#[derive(Debug)]
pub(crate) struct Traffic {
    open: AtomicUsize,
    limit: usize,
}

/// An open connection, which is counted as long as it lasts.
#[derive(Debug)]
pub(crate) struct Open(Arc<Traffic>);

impl Traffic {
    /// Allows so many connections at a time.
    pub fn new(limit: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            limit,
        }
    }

    /// Counts a connection; `None` at the limit.
    pub fn enter(self: &Arc<Self>) -> Option<Open> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(self));
        (before < self.limit).then_some(open)
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_open_up_to_the_limit() {
        let traffic = Arc::new(Traffic::new(2));
        let first = traffic.enter().unwrap();
        let _second = traffic.enter().unwrap();
        assert!(traffic.enter().is_none());
        drop(first);
        assert_eq!(traffic.open(), 1);
        assert!(traffic.enter().is_some());
    }
}
