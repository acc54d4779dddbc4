//! Clients of HTTP/2 that no request tells of.

use pillion_serve::Frame;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FloodLabels {
    reporter: &'static str,
    frame: &'static str,
}

/// Clients of HTTP/2 that were not served to the end.
#[derive(Debug, Default)]
pub(crate) struct Http2 {
    floods: Family<FloodLabels, Counter>,
    violations: Counter,
    refused: Counter,
}

impl Http2 {
    /// Shows them.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_http2_floods",
            "Connections of HTTP/2 that were cut for a flood of frames, by the frames that it was mostly made of",
            self.floods.clone(),
        );
        registry.register(
            "pillion_http2_violations",
            "Connections of HTTP/2 that were cut because the client broke its rules, or did not begin in time",
            self.violations.clone(),
        );
        registry.register(
            "pillion_http2_refused_heads",
            "Requests of HTTP/2 that were refused for their heads, but for those that the codec resets; no other metric and no access log has them",
            self.refused.clone(),
        );
    }

    /// A client was cut off for too many frames, most of them of that kind.
    pub fn flooded(&self, reporter: &'static str, frame: Frame) {
        let labels = FloodLabels {
            reporter,
            frame: frame.as_str(),
        };
        self.floods.get_or_create(&labels).inc();
    }

    /// A client was cut off because it does not speak HTTP/2 as it should.
    pub fn broken(&self) {
        self.violations.inc();
    }

    /// So many heads were refused.
    pub fn refused_heads(&self, count: u64) {
        self.refused.inc_by(count);
    }
}
