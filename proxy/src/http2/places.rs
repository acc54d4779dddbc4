//! How many streams a connection to a server has, and whether anybody uses it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::oneshot;

/// The streams of a connection.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Places);

#[derive(Debug)]
struct Shared {
    taken: AtomicUsize,
    /// Closed when it is dropped.
    _used: oneshot::Sender<Infallible>,
}

/// Closed once a connection has neither a handle nor a stream.
pub(super) type Used = oneshot::Receiver<Infallible>;

impl Places {
    /// Those of a new connection.
    pub fn new() -> (Self, Used) {
        let (sender, used) = oneshot::channel();
        let shared = Shared {
            taken: AtomicUsize::default(),
            _used: sender,
        };
        (Self(Arc::new(shared)), used)
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Relaxed)
    }

    /// Takes another.
    pub fn take(&self) -> Place {
        self.0.taken.fetch_add(1, Relaxed);
        Place(self.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Relaxed);
    }
}
