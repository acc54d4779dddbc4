//! The configuration in force.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwapOption, Guard};

use pillion_inject::Config;

/// The configuration that reviews are answered with, replaced as a whole while
/// reviews are in flight.
///
/// It starts without one, so that the port can be open, and refuse reviews with a
/// reason, while the ConfigMaps are still being read.
#[derive(Debug, Default)]
pub struct ActiveConfig {
    config: ArcSwapOption<Config>,
    native_sidecars: AtomicBool,
}

impl ActiveConfig {
    /// Starts with a configuration.
    #[must_use]
    pub fn new(config: Config, native_sidecars: bool) -> Self {
        Self {
            config: ArcSwapOption::from_pointee(config),
            native_sidecars: AtomicBool::new(native_sidecars),
        }
    }

    /// The configuration in force; `None` until there is a first one.
    pub fn config(&self) -> Guard<Option<Arc<Config>>> {
        self.config.load()
    }

    /// Puts another configuration in force for the reviews that start now.
    pub fn replace(&self, config: Config) {
        self.config.store(Some(Arc::new(config)));
    }

    /// Whether the cluster's nodes run native sidecars; no, until told so.
    #[must_use]
    pub fn native_sidecars(&self) -> bool {
        self.native_sidecars.load(Ordering::Relaxed)
    }

    /// Says whether the cluster's nodes run native sidecars.
    pub fn set_native_sidecars(&self, supported: bool) {
        self.native_sidecars.store(supported, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_no_configuration_at_first() {
        assert!(ActiveConfig::default().config().is_none());
    }

    #[test]
    fn holds_the_configuration_that_was_put_in_force() {
        let active = ActiveConfig::default();
        active.replace(Config::builtin().unwrap());
        assert!(active.config().is_some());
    }

    #[test]
    fn keeps_the_old_configuration_for_a_review_that_has_begun() {
        let active = ActiveConfig::new(Config::builtin().unwrap(), false);
        let begun = active.config();
        let before = Arc::as_ptr(begun.as_ref().unwrap());
        active.replace(Config::builtin().unwrap());
        assert_eq!(Arc::as_ptr(begun.as_ref().unwrap()), before);
        assert_ne!(Arc::as_ptr(active.config().as_ref().unwrap()), before);
    }
}
