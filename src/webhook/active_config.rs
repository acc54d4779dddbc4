//! The current configuration.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwapOption, Guard};

use pillion_inject::Config;

/// The configuration that reviews use. It is replaced atomically while reviews are in
/// flight.
///
/// Initially there is none, so that the port can be open, and refuse reviews with a
/// reason, while the ConfigMaps are still being read.
///
/// ```
/// use pillion::webhook::ActiveConfig;
/// use pillion_inject::Config;
///
/// let active = ActiveConfig::default();
/// assert!(active.config().is_none());
/// active.replace(Config::builtin().unwrap());
/// assert!(active.config().is_some());
/// ```
#[derive(Debug, Default)]
pub struct ActiveConfig {
    config: ArcSwapOption<Config>,
    native_sidecars: AtomicBool,
}

impl ActiveConfig {
    /// Creates an `ActiveConfig` that has a configuration from the start.
    #[must_use]
    pub fn new(config: Config, native_sidecars: bool) -> Self {
        Self {
            config: ArcSwapOption::from_pointee(config),
            native_sidecars: AtomicBool::new(native_sidecars),
        }
    }

    /// Returns the current configuration; `None` until the first is set.
    pub fn config(&self) -> Guard<Option<Arc<Config>>> {
        self.config.load()
    }

    /// Replaces the configuration for reviews that start from now on.
    pub fn replace(&self, config: Config) {
        self.config.store(Some(Arc::new(config)));
    }

    /// Whether the cluster's nodes support native sidecars; `false` until it is set.
    #[must_use]
    pub fn native_sidecars(&self) -> bool {
        self.native_sidecars.load(Ordering::Relaxed)
    }

    /// Sets whether the cluster's nodes support native sidecars.
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
    fn has_the_configuration_that_was_set() {
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
