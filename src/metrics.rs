//! The injector's metrics, in the OpenMetrics text format.
//!
//! Metrics with Istio's names (`sidecar_injection_*`) are exported beside Pillion's own,
//! so that dashboards and alerts written for istiod continue to work.

mod bypasses;
mod certificates;
mod failure;
mod istio;
mod load;
mod reloads;
mod reviews;

use std::time::Duration;

use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};

use bypasses::Bypasses;
pub(crate) use certificates::CertificateMetrics;
pub use failure::Failure;
use istio::Istio;
use load::Load;
pub(crate) use load::{InFlight, Overload};
use pillion_inject::Bypass;
use pillion_serve::PortMetrics;
use pillion_telemetry::Process;
use reloads::Reloads;
pub use reviews::ReviewOutcome;
use reviews::Reviews;

/// The injector's metrics. There is one instance per process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Reviews,
    istio: Istio,
    bypasses: Bypasses,
    reloads: Reloads,
    certificates: CertificateMetrics,
    port: PortMetrics,
    load: Load,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            reviews: Reviews::default(),
            istio: Istio::default(),
            bypasses: Bypasses::default(),
            reloads: Reloads::default(),
            certificates: CertificateMetrics::default(),
            port: PortMetrics::default(),
            load: Load::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        self.reviews.register(registry);
        self.reloads.register(registry);
        self.certificates.register(registry);
        registry.register(
            "pillion_build",
            "The version that is running",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        self.bypasses.register(registry);
        self.port.register(registry, "pillion_webhook_");
        self.load.register(registry);
        self.istio.register(registry, self.reviews.duration());
        registry.register_collector(Box::new(Process));
    }

    /// Counts a review that has ended, and records how long it took.
    pub fn review(&self, outcome: ReviewOutcome, took: Duration) {
        self.istio.count(outcome);
        self.reviews.count(outcome, took);
    }

    /// Counts the guards' findings on one pod.
    pub fn bypasses(&self, found: &[Bypass]) {
        self.bypasses.count(found);
    }

    /// Records that a configuration is in use. Generations count from 1.
    pub fn config_loaded(&self, generation: u64) {
        self.reloads.config_loaded(generation);
    }

    /// Counts a configuration that was refused; the last good one stays in use.
    pub fn config_rejected(&self) {
        self.reloads.config_rejected();
    }

    /// What is counted of the serving certificate and the caBundle.
    pub(crate) fn certificates(&self) -> &CertificateMetrics {
        &self.certificates
    }

    /// The metrics of the webhook's port.
    pub(crate) fn port(&self) -> &PortMetrics {
        &self.port
    }

    /// Counts a review as in flight until the returned guard is dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.load.review()
    }

    /// Counts a review that was rejected because this limit was reached.
    pub(crate) fn overloaded(&self, limit: Overload) {
        self.load.overloaded(limit);
    }

    /// Encodes all metrics as the response of `/metrics`, in the OpenMetrics text format.
    ///
    /// ```
    /// use pillion::metrics::Metrics;
    ///
    /// let metrics = Metrics::default();
    /// metrics.config_loaded(1);
    /// assert!(metrics.encode().contains("\npillion_config_generation 1\n"));
    /// ```
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        // Writing to a String can't fail. If it did, the end mark would be missing, and
        // scrapers would reject the response.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a metric, by its name and labels.
    pub(super) fn line(metrics: &Metrics, name: &str) -> String {
        metrics
            .encode()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no {name} in\n{}", metrics.encode()))
            .to_owned()
    }

    #[test]
    fn ends_as_openmetrics_requires() {
        assert!(Metrics::default().encode().ends_with("# EOF\n"));
    }
}
