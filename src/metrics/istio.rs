//! Metrics with the names that istiod has.
//!
//! They are counted so that requests = success + failure + skip. istiod itself also
//! counts skips and denials as successes.

use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::Registry,
};

use super::ReviewOutcome;

/// Reviews, by Istio's outcomes.
#[derive(Debug, Default)]
pub(super) struct Istio {
    requests: Counter,
    success: Counter,
    failure: Counter,
    skip: Counter,
}

impl Istio {
    /// Counts a review that has ended.
    pub fn count(&self, outcome: ReviewOutcome) {
        self.requests.inc();
        match outcome {
            ReviewOutcome::Injected => self.success.inc(),
            ReviewOutcome::Skipped(_) => self.skip.inc(),
            ReviewOutcome::Refused(_) | ReviewOutcome::Failed(_) => self.failure.inc(),
        };
    }

    /// Registers the metrics, and the duration of reviews under Istio's name.
    pub fn register(&self, registry: &mut Registry, duration: &Histogram) {
        registry.register(
            "sidecar_injection_requests",
            "Sidecar injection requests: the sum of success, failure and skip",
            self.requests.clone(),
        );
        registry.register(
            "sidecar_injection_success",
            "Pods that were injected",
            self.success.clone(),
        );
        registry.register(
            "sidecar_injection_failure",
            "Requests that were refused or could not be processed",
            self.failure.clone(),
        );
        registry.register(
            "sidecar_injection_skip",
            "Pods that were allowed without a sidecar",
            self.skip.clone(),
        );
        registry.register(
            "sidecar_injection_time_seconds",
            "Time taken by a sidecar injection request",
            duration.clone(),
        );
    }
}
