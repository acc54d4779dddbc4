//! The serving certificate and the caBundle.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PatchLabels {
    result: &'static str,
}

/// What a role counts of its certificates. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct CertificateMetrics {
    expiry: Gauge,
    failures: Counter,
    ca_bundle: Family<PatchLabels, Counter>,
}

impl Default for CertificateMetrics {
    fn default() -> Self {
        let ca_bundle = Family::<PatchLabels, Counter>::default();
        // The rate of a series that first appears with 1 is 0: create all series now.
        for result in ["success", "failure"] {
            drop(ca_bundle.get_or_create(&PatchLabels { result }));
        }
        Self {
            expiry: Gauge::default(),
            failures: Counter::default(),
            ca_bundle,
        }
    }
}

impl CertificateMetrics {
    /// Records when the serving certificate expires, in seconds since the epoch.
    pub fn expires(&self, unix_seconds: i64) {
        self.expiry.set(unix_seconds);
    }

    /// Counts a certificate that was refused; the previous one stays in use.
    pub fn rejected(&self) {
        self.failures.inc();
    }

    /// Counts an attempt to patch the caBundle of a webhook configuration.
    pub fn ca_bundle_patched(&self, ok: bool) {
        let result = if ok { "success" } else { "failure" };
        self.ca_bundle.get_or_create(&PatchLabels { result }).inc();
    }

    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_certificate_expiration_timestamp_seconds",
            "When the serving certificate expires, in seconds since the epoch; 0 before the first",
            self.expiry.clone(),
        );
        registry.register(
            "pillion_certificate_reload_failures",
            "Changed certificates that were refused; the previous one stays in use",
            self.failures.clone(),
        );
        registry.register(
            "pillion_ca_bundle_patches",
            "Attempts to patch the caBundle of a webhook configuration, by result",
            self.ca_bundle.clone(),
        );
    }
}
