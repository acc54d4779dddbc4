//! What the injector counts, in Prometheus' text format.

use std::time::Duration;

/// How a review ended, for the counter's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewOutcome {
    /// Patched.
    Injected,
    /// Let through as it was; the reason.
    Skipped(&'static str),
    /// Denied; the reason.
    Refused(&'static str),
    /// Not answered as a review: bad HTTP, bad JSON, over a limit; the reason.
    Failed(&'static str),
}

/// The injector's metrics, one instance a process.
#[derive(Debug, Default)]
pub struct Metrics {}

impl Metrics {
    /// Counts one review.
    pub fn review(&self, outcome: ReviewOutcome, took: Duration) {
        let _ = (outcome, took);
    }

    /// A configuration came into force; generations count from 1.
    pub fn config_loaded(&self, generation: u64) {
        let _ = generation;
    }

    /// A changed configuration was refused; the last good one stays.
    pub fn config_rejected(&self) {}

    /// When the serving certificate expires, in seconds since the epoch.
    pub fn certificate_expires(&self, unix_seconds: i64) {
        let _ = unix_seconds;
    }

    /// A webhook configuration's caBundle was patched, or patching failed.
    pub fn ca_bundle_patched(&self, ok: bool) {
        let _ = ok;
    }

    /// The exposition text for `/metrics`.
    #[must_use]
    pub fn encode(&self) -> String {
        String::new()
    }
}
