//! The configuration in force.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwap, Guard};

use crate::inject::Config;

/// What reviews are answered with now. Swapped whole while reviews go on.
#[derive(Debug)]
pub struct Current {
    config: ArcSwap<Config>,
    native_sidecars: AtomicBool,
}

impl Current {
    /// Starts with a configuration.
    #[must_use]
    pub fn new(config: Config, native_sidecars: bool) -> Self {
        Self {
            config: ArcSwap::from_pointee(config),
            native_sidecars: AtomicBool::new(native_sidecars),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> Guard<Arc<Config>> {
        self.config.load()
    }

    /// Puts another configuration in force for the reviews that start now.
    pub fn replace(&self, config: Config) {
        self.config.store(Arc::new(config));
    }

    /// Whether the cluster's nodes run native sidecars.
    #[must_use]
    pub fn native_sidecars(&self) -> bool {
        self.native_sidecars.load(Ordering::Relaxed)
    }

    /// Says whether the cluster's nodes run native sidecars.
    pub fn set_native_sidecars(&self, supported: bool) {
        self.native_sidecars.store(supported, Ordering::Relaxed);
    }
}
