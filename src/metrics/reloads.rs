//! The configuration.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// What is in use now, and changes that failed.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    config_generation: Gauge,
    config_failures: Counter,
}

impl Reloads {
    pub fn config_loaded(&self, generation: u64) {
        self.config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    pub fn config_rejected(&self) {
        self.config_failures.inc();
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
        metrics.certificates().expires(1_800_000_000);
        metrics.certificates().ca_bundle_patched(true);
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
