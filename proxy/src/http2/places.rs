//! How many streams a connection to a server has.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The streams of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Places);

impl Places {
    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Takes another.
    pub fn take(&self) -> Place {
        self.0.fetch_add(1, Relaxed);
        Place(self.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
