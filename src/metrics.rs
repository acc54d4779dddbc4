//! What the injector counts, in the OpenMetrics text format.
//!
//! Istio's names (`sidecar_injection_*`) stand beside Pillion's own, so that
//! dashboards and alerts written for istiod go on working. They are counted so
//! that requests = success + failure + skip; istiod itself counts a skip and a
//! denial as a success, too.

mod bypasses;
mod failure;
mod load;

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use bypasses::Bypasses;
pub use failure::Failure;
use load::Load;
pub(crate) use load::{InFlight, Overload};
use pillion_inject::Bypass;
use pillion_serve::PortMetrics;
use pillion_telemetry::Process;

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
    Failed(Failure),
}

impl ReviewOutcome {
    /// One word for the log and the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Skipped(_) => "skipped",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// Why; empty for what was injected.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Injected => "",
            Self::Skipped(reason) | Self::Refused(reason) => reason,
            Self::Failed(failure) => failure.as_str(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PatchLabels {
    result: &'static str,
}

/// Seconds, from the fastest review to the API server's longest patience. The
/// bounds that istiod has are among them.
const BUCKETS: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0,
    5.0, 10.0, 20.0, 30.0,
];

/// The injector's metrics, one instance a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<ReviewLabels, Counter>,
    // Resolved once: almost every review ends here, and a look-up takes a lock.
    injected: Counter,
    bypasses: Bypasses,
    duration: Histogram,
    istio: Istio,
    config_generation: Gauge,
    config_failures: Counter,
    certificate_expiry: Gauge,
    certificate_failures: Counter,
    ca_bundle: Family<PatchLabels, Counter>,
    port: PortMetrics,
    load: Load,
}

/// The names that istiod has.
#[derive(Debug, Default)]
struct Istio {
    requests: Counter,
    success: Counter,
    failure: Counter,
    skip: Counter,
}

impl Metrics {
    /// Counts one review.
    pub fn review(&self, outcome: ReviewOutcome, took: Duration) {
        self.istio.requests.inc();
        match outcome {
            ReviewOutcome::Injected => {
                self.istio.success.inc();
                self.injected.inc();
            }
            other => {
                match other {
                    ReviewOutcome::Skipped(_) => self.istio.skip.inc(),
                    _ => self.istio.failure.inc(),
                };
                let labels = ReviewLabels {
                    outcome: other.as_str(),
                    reason: other.reason(),
                };
                self.reviews.get_or_create(&labels).inc();
            }
        }
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts what the guards found on one pod.
    pub fn bypasses(&self, found: &[Bypass]) {
        self.bypasses.count(found);
    }

    /// A configuration came into force; generations count from 1.
    pub fn config_loaded(&self, generation: u64) {
        self.config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A changed configuration was refused; the last good one stays.
    pub fn config_rejected(&self) {
        self.config_failures.inc();
    }

    /// When the serving certificate expires, in seconds since the epoch.
    pub fn certificate_expires(&self, unix_seconds: i64) {
        self.certificate_expiry.set(unix_seconds);
    }

    /// A changed certificate was refused; the one before stays.
    pub fn certificate_rejected(&self) {
        self.certificate_failures.inc();
    }

    /// A webhook configuration's caBundle was patched, or patching failed.
    pub fn ca_bundle_patched(&self, ok: bool) {
        let result = if ok { "success" } else { "failure" };
        self.ca_bundle.get_or_create(&PatchLabels { result }).inc();
    }

    /// What the webhook's port counts.
    pub(crate) fn port(&self) -> &PortMetrics {
        &self.port
    }

    /// A review that has begun; it is in flight until what is returned is dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.load.review()
    }

    /// A review was turned away by this limit.
    pub(crate) fn overloaded(&self, limit: Overload) {
        self.load.overloaded(limit);
    }

    /// The exposition text for `/metrics`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        // A String takes every write; were it not so, a scraper would miss the end
        // mark and take nothing of it.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let reviews = Family::<ReviewLabels, Counter>::default();
        let ca_bundle = Family::<PatchLabels, Counter>::default();
        let injected = reviews.get_or_create_owned(&ReviewLabels {
            outcome: ReviewOutcome::Injected.as_str(),
            reason: "",
        });
        // A rate over a series that springs up at 1 is 0: show them from the start.
        for result in ["success", "failure"] {
            drop(ca_bundle.get_or_create(&PatchLabels { result }));
        }
        let mut metrics = Self {
            registry: Registry::default(),
            reviews,
            injected,
            bypasses: Bypasses::default(),
            duration: Histogram::new(BUCKETS),
            istio: Istio::default(),
            config_generation: Gauge::default(),
            config_failures: Counter::default(),
            certificate_expiry: Gauge::default(),
            certificate_failures: Counter::default(),
            ca_bundle,
            port: PortMetrics::default(),
            load: Load::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register(
            "pillion_injection_reviews",
            "Admission reviews by outcome (injected, skipped, refused, failed) and reason",
            self.reviews.clone(),
        );
        all.register(
            "pillion_injection_review_duration_seconds",
            "Time from a review's head to its answer, the body's arrival included",
            self.duration.clone(),
        );
        all.register(
            "pillion_config_generation",
            "Counts the configurations that came into force; 0 before the first",
            self.config_generation.clone(),
        );
        all.register(
            "pillion_config_reload_failures",
            "Changed configurations that were refused, the last good one staying in force",
            self.config_failures.clone(),
        );
        all.register(
            "pillion_certificate_expiration_timestamp_seconds",
            "When the serving certificate expires, in seconds since the epoch; 0 before the first",
            self.certificate_expiry.clone(),
        );
        all.register(
            "pillion_certificate_reload_failures",
            "Changed certificates that were refused, the one before staying in use",
            self.certificate_failures.clone(),
        );
        all.register(
            "pillion_ca_bundle_patches",
            "Attempts to mend the caBundle of a MutatingWebhookConfiguration, by result",
            self.ca_bundle.clone(),
        );
        all.register(
            "pillion_build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        self.bypasses.register(all);
        self.port.register(all, "pillion_webhook_");
        self.load.register(all);
        self.istio.register(all, &self.duration);
        all.register_collector(Box::new(Process));
    }
}

impl Istio {
    fn register(&self, all: &mut Registry, duration: &Histogram) {
        all.register(
            "sidecar_injection_requests",
            "Sidecar injection requests: success, failure and skip together",
            self.requests.clone(),
        );
        all.register(
            "sidecar_injection_success",
            "Pods that were injected",
            self.success.clone(),
        );
        all.register(
            "sidecar_injection_failure",
            "Requests that were refused or could not be answered",
            self.failure.clone(),
        );
        all.register(
            "sidecar_injection_skip",
            "Pods that were let through without a sidecar",
            self.skip.clone(),
        );
        all.register(
            "sidecar_injection_time_seconds",
            "Time taken by a sidecar injection request",
            duration.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(2);

    fn line(metrics: &Metrics, name: &str) -> String {
        metrics
            .encode()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no {name} in\n{}", metrics.encode()))
            .to_owned()
    }

    #[test]
    fn counts_reviews_by_outcome_and_reason() {
        let metrics = Metrics::default();
        metrics.review(ReviewOutcome::Injected, TOOK);
        metrics.review(ReviewOutcome::Skipped("host_network"), TOOK);
        metrics.review(ReviewOutcome::Refused("already_injected"), TOOK);
        metrics.review(ReviewOutcome::Failed(Failure::BadJson), TOOK);
        metrics.review(ReviewOutcome::Failed(Failure::BadJson), TOOK);
        for (labels, count) in [
            (r#"outcome="injected",reason="""#, "1"),
            (r#"outcome="skipped",reason="host_network""#, "1"),
            (r#"outcome="refused",reason="already_injected""#, "1"),
            (r#"outcome="failed",reason="bad_json""#, "2"),
        ] {
            let name = format!("pillion_injection_reviews_total{{{labels}}}");
            assert_eq!(line(&metrics, &name), count, "{labels}");
        }
    }

    #[test]
    fn counts_neither_skips_nor_refusals_as_istios_success() {
        let metrics = Metrics::default();
        metrics.review(ReviewOutcome::Injected, TOOK);
        metrics.review(ReviewOutcome::Skipped("policy"), TOOK);
        metrics.review(ReviewOutcome::Skipped("label"), TOOK);
        metrics.review(ReviewOutcome::Refused("already_injected"), TOOK);
        metrics.review(ReviewOutcome::Refused("invalid_pod"), TOOK);
        metrics.review(ReviewOutcome::Failed(Failure::BadJson), TOOK);
        assert_eq!(line(&metrics, "sidecar_injection_requests_total"), "6");
        assert_eq!(line(&metrics, "sidecar_injection_success_total"), "1");
        assert_eq!(line(&metrics, "sidecar_injection_skip_total"), "2");
        assert_eq!(line(&metrics, "sidecar_injection_failure_total"), "3");
    }

    #[test]
    fn puts_a_review_into_the_bucket_of_its_time() {
        let metrics = Metrics::default();
        metrics.review(ReviewOutcome::Injected, TOOK);
        for name in [
            "pillion_injection_review_duration_seconds",
            "sidecar_injection_time_seconds",
        ] {
            assert_eq!(
                line(&metrics, &format!("{name}_bucket{{le=\"0.001\"}}")),
                "0"
            );
            assert_eq!(
                line(&metrics, &format!("{name}_bucket{{le=\"0.0025\"}}")),
                "1"
            );
            assert_eq!(line(&metrics, &format!("{name}_count")), "1");
        }
    }

    #[test]
    fn shows_the_configuration_and_the_certificate() {
        let metrics = Metrics::default();
        metrics.config_loaded(7);
        metrics.config_rejected();
        metrics.certificate_expires(1_800_000_000);
        metrics.ca_bundle_patched(true);
        assert_eq!(line(&metrics, "pillion_config_generation"), "7");
        assert_eq!(line(&metrics, "pillion_config_reload_failures_total"), "1");
        assert_eq!(
            line(&metrics, "pillion_certificate_expiration_timestamp_seconds"),
            "1800000000"
        );
        assert_eq!(
            line(
                &metrics,
                "pillion_ca_bundle_patches_total{result=\"success\"}"
            ),
            "1"
        );
        assert_eq!(
            line(
                &metrics,
                "pillion_ca_bundle_patches_total{result=\"failure\"}"
            ),
            "0"
        );
    }

    #[test]
    fn ends_as_openmetrics_asks() {
        assert!(Metrics::default().encode().ends_with("# EOF\n"));
    }
}
