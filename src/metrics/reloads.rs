//! The configuration, the serving certificate and the caBundle.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PatchLabels {
    result: &'static str,
}

/// What is in use now, and changes that failed.
#[derive(Debug)]
pub(super) struct Reloads {
    config_generation: Gauge,
    config_failures: Counter,
    certificate_expiry: Gauge,
    certificate_failures: Counter,
    ca_bundle: Family<PatchLabels, Counter>,
}

impl Default for Reloads {
    fn default() -> Self {
        let ca_bundle = Family::<PatchLabels, Counter>::default();
        // The rate of a series that first appears with 1 is 0: create all series now.
        for result in ["success", "failure"] {
            drop(ca_bundle.get_or_create(&PatchLabels { result }));
        }
        Self {
            config_generation: Gauge::default(),
            config_failures: Counter::default(),
            certificate_expiry: Gauge::default(),
            certificate_failures: Counter::default(),
            ca_bundle,
        }
    }
}

impl Reloads {
    pub fn config_loaded(&self, generation: u64) {
        self.config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    pub fn config_rejected(&self) {
        self.config_failures.inc();
    }

    pub fn certificate_expires(&self, unix_seconds: i64) {
        self.certificate_expiry.set(unix_seconds);
    }

    pub fn certificate_rejected(&self) {
        self.certificate_failures.inc();
    }

    pub fn ca_bundle_patched(&self, ok: bool) {
        let result = if ok { "success" } else { "failure" };
        self.ca_bundle.get_or_create(&PatchLabels { result }).inc();
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_config_generation",
            "The number of configurations that have been loaded; 0 before the first",
            self.config_generation.clone(),
        );
        registry.register(
            "pillion_config_reload_failures",
            "Changed configurations that were refused; the last good one stays in use",
            self.config_failures.clone(),
        );
        registry.register(
            "pillion_certificate_expiration_timestamp_seconds",
            "When the serving certificate expires, in seconds since the epoch; 0 before the first",
            self.certificate_expiry.clone(),
        );
        registry.register(
            "pillion_certificate_reload_failures",
            "Changed certificates that were refused; the previous one stays in use",
            self.certificate_failures.clone(),
        );
        registry.register(
            "pillion_ca_bundle_patches",
            "Attempts to patch the caBundle of a MutatingWebhookConfiguration, by result",
            self.ca_bundle.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{Metrics, tests::line};

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
}
