//! Reviews by outcome, and how long they took.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::Failure;

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewOutcome {
    /// The pod was patched.
    Injected,
    /// The pod was allowed unchanged, for this reason.
    Skipped(&'static str),
    /// The pod was denied, for this reason.
    Refused(&'static str),
    /// The request could not be processed as a review: invalid HTTP or JSON, or over a
    /// limit.
    Failed(Failure),
}

impl ReviewOutcome {
    /// Returns the outcome as one word, for the log and the metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Skipped(_) => "skipped",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// Returns the reason; empty for an injected pod.
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
struct Labels {
    outcome: &'static str,
    reason: &'static str,
}

/// In seconds, from the fastest review to the API server's longest timeout. They include
/// istiod's buckets.
const BUCKETS: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0,
    5.0, 10.0, 20.0, 30.0,
];

/// Reviews by outcome and reason, and their durations.
#[derive(Debug)]
pub(super) struct Reviews {
    by_outcome: Family<Labels, Counter>,
    // Looked up once: most reviews are counted here, and a look-up takes a lock.
    injected: Counter,
    duration: Histogram,
}

impl Default for Reviews {
    fn default() -> Self {
        let by_outcome = Family::<Labels, Counter>::default();
        let injected = by_outcome.get_or_create_owned(&Labels {
            outcome: ReviewOutcome::Injected.as_str(),
            reason: "",
        });
        Self {
            by_outcome,
            injected,
            duration: Histogram::new(BUCKETS),
        }
    }
}

impl Reviews {
    /// Counts a review that has ended, and records how long it took.
    pub fn count(&self, outcome: ReviewOutcome, took: Duration) {
        if outcome == ReviewOutcome::Injected {
            self.injected.inc();
        } else {
            let labels = Labels {
                outcome: outcome.as_str(),
                reason: outcome.reason(),
            };
            self.by_outcome.get_or_create(&labels).inc();
        }
        self.duration.observe(took.as_secs_f64());
    }

    pub fn duration(&self) -> &Histogram {
        &self.duration
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_injection_reviews",
            "Admission reviews by outcome (injected, skipped, refused, failed) and reason",
            self.by_outcome.clone(),
        );
        registry.register(
            "pillion_injection_review_duration_seconds",
            "Time from a review's request headers to its response, including the arrival of the body",
            self.duration.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, tests::line};

    const TOOK: Duration = Duration::from_millis(2);

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
}
