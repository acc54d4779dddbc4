//! The metrics of the discovery service, in the OpenMetrics text format.

mod issuance;

use std::time::Duration;

use pillion_serve::PortMetrics;
use pillion_telemetry::Process;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use self::issuance::Issuance;
pub(super) use self::issuance::{Proof, Reason};
use crate::metrics::CertificateMetrics;

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenResult {
    /// The API server accepted it.
    Accepted,
    /// An answer of the last minute was used.
    Cached,
    /// It was refused.
    Refused,
    /// The API server could not be asked.
    Unavailable,
}

/// What became of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The proxy accepted it.
    Accepted,
    /// The proxy refused it, at least in part.
    Refused,
}

/// What became of a review of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReviewResult {
    /// The object is allowed.
    Allowed,
    /// The object is refused: it can't work, or is too large.
    Refused,
    /// It got no answer, but a status of HTTP.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplyLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BoundLabels {
    bound: &'static str,
}

/// Seconds that a rendering may take.
const RENDER_BUCKETS: [f64; 8] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];

/// The metrics of the role. There is one instance per process.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    certificates: CertificateMetrics,
    ads_port: PortMetrics,
    webhook_port: PortMetrics,
    streams: Gauge,
    without_room: Family<BoundLabels, Counter>,
    tokens: Family<ResultLabels, Counter>,
    issuance: Issuance,
    replies: Family<ReplyLabels, Counter>,
    resources: Family<KindLabels, Counter>,
    renderings: Histogram,
    refused_objects: Counter,
    reviews: Family<ResultLabels, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            certificates: CertificateMetrics::default(),
            ads_port: PortMetrics::default(),
            webhook_port: PortMetrics::default(),
            streams: Gauge::default(),
            without_room: Family::default(),
            tokens: Family::default(),
            issuance: Issuance::default(),
            replies: Family::default(),
            resources: Family::default(),
            renderings: Histogram::new(RENDER_BUCKETS),
            refused_objects: Counter::default(),
            reviews: Family::default(),
        };
        // The rate of a series that first appears with 1 is 0: create them now.
        for result in ["accepted", "cached", "refused", "unavailable"] {
            drop(metrics.tokens.get_or_create(&ResultLabels { result }));
        }
        for result in ["allowed", "refused", "failed"] {
            drop(metrics.reviews.get_or_create(&ResultLabels { result }));
        }
        for bound in ["pod", "all"] {
            drop(metrics.without_room.get_or_create(&BoundLabels { bound }));
        }
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        self.certificates.register(registry);
        self.ads_port.register(registry, "pillion_ads_");
        self.webhook_port.register(registry, "pillion_webhook_");
        self.issuance.register(registry);
        registry.register(
            "pillion_build",
            "The version that is running",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "pillion_discovery_streams",
            "Proxies that are connected",
            self.streams.clone(),
        );
        registry.register(
            "pillion_discovery_streams_without_room",
            "Streams that were ended because a pod, or all pods, subscribed to too many names that do not exist",
            self.without_room.clone(),
        );
        registry.register(
            "pillion_discovery_tokens",
            "Tokens that proxies presented, by result",
            self.tokens.clone(),
        );
        registry.register(
            "pillion_discovery_responses",
            "Responses that proxies replied to, by kind of resource and result",
            self.replies.clone(),
        );
        registry.register(
            "pillion_discovery_resources_sent",
            "Resources sent to proxies, by kind",
            self.resources.clone(),
        );
        registry.register(
            "pillion_discovery_render_duration_seconds",
            "How long it took to render a change for all proxies",
            self.renderings.clone(),
        );
        registry.register(
            "pillion_discovery_objects_refused",
            "Rules and mesh configurations that were found to be invalid",
            self.refused_objects.clone(),
        );
        registry.register(
            "pillion_discovery_reviews",
            "Reviews of rules by the webhook, by result; those that failed got no answer, and the API server decides",
            self.reviews.clone(),
        );
        registry.register_collector(Box::new(Process));
    }

    /// What is counted of the serving certificate.
    pub fn certificates(&self) -> &CertificateMetrics {
        &self.certificates
    }

    /// The metrics of the port for proxies.
    pub fn ads_port(&self) -> &PortMetrics {
        &self.ads_port
    }

    /// The metrics of the webhook's port.
    pub fn webhook_port(&self) -> &PortMetrics {
        &self.webhook_port
    }

    /// Counts a stream until the returned value is dropped.
    pub fn stream(&self) -> OpenStream {
        self.streams.inc();
        OpenStream(self.streams.clone())
    }

    /// Counts a stream that is ended because its pod, or all pods, subscribe to too many names.
    pub fn without_room(&self, is_of_pod: bool) {
        let bound = if is_of_pod { "pod" } else { "all" };
        self.without_room
            .get_or_create(&BoundLabels { bound })
            .inc();
    }

    /// Counts a token.
    pub fn token(&self, result: TokenResult) {
        let result = match result {
            TokenResult::Accepted => "accepted",
            TokenResult::Cached => "cached",
            TokenResult::Refused => "refused",
            TokenResult::Unavailable => "unavailable",
        };
        self.tokens.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts a certificate that was issued to a workload.
    pub fn certificate_issued(&self, proof: Proof) {
        self.issuance.issued(proof);
    }

    /// Counts a certificate that was refused to somebody.
    pub fn certificate_refused(&self, reason: Reason) {
        self.issuance.refused(reason);
    }

    /// Counts a proxy's reply to a response.
    pub fn reply(&self, type_url: &str, reply: Reply) {
        let result = match reply {
            Reply::Accepted => "accepted",
            Reply::Refused => "refused",
        };
        let kind = kind_of(type_url);
        self.replies
            .get_or_create(&ReplyLabels { kind, result })
            .inc();
    }

    /// Counts resources that were sent.
    pub fn sent(&self, type_url: &str, resources: usize) {
        let kind = kind_of(type_url);
        let count = u64::try_from(resources).unwrap_or(u64::MAX);
        self.resources
            .get_or_create(&KindLabels { kind })
            .inc_by(count);
    }

    /// Records how long a rendering took.
    pub fn rendered(&self, took: Duration) {
        self.renderings.observe(took.as_secs_f64());
    }

    /// Counts an object that is reported as invalid.
    pub fn reported(&self) {
        self.refused_objects.inc();
    }

    /// Counts a review of a rule.
    pub fn review(&self, result: ReviewResult) {
        let result = match result {
            ReviewResult::Allowed => "allowed",
            ReviewResult::Refused => "refused",
            ReviewResult::Failed => "failed",
        };
        self.reviews.get_or_create(&ResultLabels { result }).inc();
    }

    /// Encodes all metrics as the response of `/metrics`.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        // Writing to a String can't fail. If it did, the end mark would be missing, and
        // scrapers would reject the response.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// A stream that is counted for as long as it lasts, however it ends.
#[derive(Debug)]
pub(super) struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The kind in a type's URL, of a bounded set: URLs come from outside.
fn kind_of(type_url: &str) -> &'static str {
    match type_url.rsplit('.').next() {
        Some("Listener") => "listener",
        Some("RouteConfiguration") => "route_configuration",
        Some("Cluster") => "cluster",
        Some("ClusterLoadAssignment") => "cluster_load_assignment",
        Some("Secret") => "secret",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_replies_by_kind() {
        let metrics = Metrics::default();
        let listener = "type.googleapis.com/envoy.config.listener.v3.Listener";
        metrics.reply(listener, Reply::Refused);
        metrics.reply("type.googleapis.com/whatever", Reply::Accepted);
        let text = metrics.encode();
        for line in [
            "pillion_discovery_responses_total{kind=\"listener\",result=\"refused\"} 1",
            "pillion_discovery_responses_total{kind=\"other\",result=\"accepted\"} 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_stream_counts_until_it_ends() {
        let metrics = Metrics::default();
        let open = metrics.stream();
        assert!(metrics.encode().contains("pillion_discovery_streams 1"));
        drop(open);
        assert!(metrics.encode().contains("pillion_discovery_streams 0"));
    }
}
