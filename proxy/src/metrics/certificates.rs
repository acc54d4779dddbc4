//! The workload's certificate, and the roots of the mesh.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use time::OffsetDateTime;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// Istio's names of both: those of its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    resource_name: &'static str,
}

/// Whether the workload has a certificate, and for how long.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    asked: Family<ResultLabels, Counter>,
    expiry: Arc<Mutex<Expiry>>,
}

/// When each expires; `None` before there is one.
#[derive(Debug, Default, Clone, Copy)]
struct Expiry {
    own: Option<OffsetDateTime>,
    root: Option<OffsetDateTime>,
}

/// Tells how many seconds are left when it is asked.
#[derive(Debug)]
struct Left(Arc<Mutex<Expiry>>);

impl Certificates {
    /// Shows them.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_certificate_requests",
            "Certificates that the control plane was asked for, by what came of it; the log has the reasons",
            self.asked.clone(),
        );
        // The rate of a series that first appears with 1 is 0: show it from the start.
        for result in ["issued", "unreachable", "refused", "unusable"] {
            drop(self.asked.get_or_create(&ResultLabels { result }));
        }
        registry.register_collector(Box::new(Left(Arc::clone(&self.expiry))));
    }

    /// The control plane was asked for a certificate, with one of a few results.
    pub fn asked(&self, result: &'static str) {
        self.asked.get_or_create(&ResultLabels { result }).inc();
    }

    /// When the workload's own certificate expires, and the first of the roots.
    pub fn set_expiry(&self, own: OffsetDateTime, root: Option<OffsetDateTime>) {
        let own = Some(own);
        // Two times are whole after any panic.
        *self.expiry.lock().unwrap_or_else(PoisonError::into_inner) = Expiry { own, root };
    }
}

impl Collector for Left {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let expiry = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = [("default", expiry.own), ("ROOTCA", expiry.root)];
        let mut known = known.into_iter().filter_map(|(name, at)| Some((name, at?)));
        let Some(first) = known.next() else {
            return Ok(());
        };
        let mut metric = encoder.encode_descriptor(
            "istio_agent_cert_expiry_seconds",
            "Seconds until the workload's certificate (default) and the first of the mesh's roots (ROOTCA) expire; negative if one has",
            None,
            MetricType::Gauge,
        )?;
        let now = OffsetDateTime::now_utc();
        for (resource_name, at) in std::iter::once(first).chain(known) {
            let labels = ResourceLabels { resource_name };
            let left = ConstGauge::new((at - now).whole_seconds());
            left.encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use time::Duration;

    use super::*;

    fn text(certificates: &Certificates) -> String {
        let mut registry = Registry::default();
        certificates.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn the_time_left_is_shown_once_there_is_a_certificate() {
        let certificates = Certificates::default();
        let before = text(&certificates);
        assert!(!before.contains("expiry"), "{before}");
        assert!(
            before.contains("pillion_certificate_requests_total{result=\"refused\"} 0"),
            "{before}"
        );
        certificates.asked("refused");
        let now = OffsetDateTime::now_utc();
        certificates.set_expiry(now - Duration::days(1), Some(now + Duration::days(1)));
        let after = text(&certificates);
        let left = |name: &str| {
            let start = format!("istio_agent_cert_expiry_seconds{{resource_name=\"{name}\"}} ");
            let mut lines = after.lines();
            let value = lines.find_map(|line| line.strip_prefix(&start));
            value.unwrap_or_else(|| panic!("{after}")).parse::<i64>()
        };
        assert!(left("default").unwrap() <= -86_400);
        assert!((80_000..=86_400).contains(&left("ROOTCA").unwrap()));
        assert!(
            after.contains("pillion_certificate_requests_total{result=\"refused\"} 1"),
            "{after}"
        );
    }
}
