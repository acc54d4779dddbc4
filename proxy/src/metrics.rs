//! What the proxy shows of itself: what it counts here, and the records of the traffic.

mod certificates;
mod http2;
mod tls;

use std::sync::Arc;

use pillion_serve::PortMetrics;
use pillion_telemetry::Process;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

pub(crate) use self::{
    certificates::Certificates,
    http2::{Http2, Peer},
    tls::Tls,
};
use crate::{records::Records, traffic::Direction};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reporter: &'static str,
    reason: &'static str,
}

impl Labels {
    fn new(direction: Direction, reason: &'static str) -> Self {
        let reporter = direction.reporter();
        Self { reporter, reason }
    }
}

/// The metrics of the process. Clones count together.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    records: Arc<Records>,
    refused: Family<Labels, Counter>,
    evicted: Counter,
    closed_ports: Gauge,
    http2: Http2,
    tls: Tls,
    own_ports: PortMetrics,
    configuration: Configuration,
    certificates: Certificates,
    scrapes: Counter,
    scrape_failures: Family<ScrapeLabels, Counter>,
}

/// Whether the proxy follows the control plane.
#[derive(Debug, Default)]
struct Configuration {
    connected: Gauge,
    refusals: Family<TypeLabels, Counter>,
    refused: Gauge,
    not_asked: Gauge,
    unresolved: Gauge,
}

/// A resource's type, such as `Listener`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    r#type: &'static str,
}

impl Configuration {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_configuration_connected",
            "Whether there is a stream of configuration from the control plane",
            self.connected.clone(),
        );
        registry.register(
            "pillion_configuration_refusals",
            "Resources of the control plane that were refused, as a whole or in part, each time they came",
            self.refusals.clone(),
        );
        registry.register(
            "pillion_configuration_refused_resources",
            "Resources whose newest version is refused, as a whole or in part; the log says why",
            self.refused.clone(),
        );
        registry.register(
            "pillion_configuration_names_not_asked",
            "Names of resources that the control plane is not asked for, because there are too many",
            self.not_asked.clone(),
        );
        registry.register(
            "pillion_dns_names_not_asked",
            "Names of endpoints that are not looked up, because there are too many",
            self.unresolved.clone(),
        );
    }
}

/// Of what the metrics are that are missing in a scrape. Istio has other values, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScrapeLabels {
    r#type: &'static str,
}

const APPLICATION: ScrapeLabels = ScrapeLabels {
    r#type: "application",
};

impl Metrics {
    /// A connection was refused, for one of a few reasons.
    pub fn refused(&self, direction: Direction, reason: &'static str) {
        let labels = Labels::new(direction, reason);
        self.refused.get_or_create(&labels).inc();
    }

    /// A connection was cut to make room for one of another address.
    pub fn evicted(&self) {
        self.evicted.inc();
    }

    /// What is counted of connections of HTTP/2.
    pub fn http2(&self) -> &Http2 {
        &self.http2
    }

    /// What clients of TLS did.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The workload's certificate.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// What the proxy's own ports count, all of them together.
    pub fn own_ports(&self) -> PortMetrics {
        self.own_ports.clone()
    }

    /// So many ports of the configuration can't be opened.
    pub fn set_closed_ports(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.closed_ports.set(count);
    }

    /// Whether there is a stream from the control plane.
    pub fn set_connected(&self, is_connected: bool) {
        self.configuration.connected.set(is_connected.into());
    }

    /// A resource of that type was refused, as a whole or in part.
    pub fn refused_resource(&self, type_url: &'static str) {
        let r#type = type_url.rsplit_once('.').map_or(type_url, |(_, name)| name);
        let labels = TypeLabels { r#type };
        self.configuration.refusals.get_or_create(&labels).inc();
    }

    /// So many resources are refused at present, so many are not asked for, and so many names
    /// of endpoints are not looked up.
    pub fn set_configuration(&self, refused: usize, not_asked: usize, unresolved: usize) {
        let configuration = &self.configuration;
        for (gauge, count) in [
            (&configuration.refused, refused),
            (&configuration.not_asked, not_asked),
            (&configuration.unresolved, unresolved),
        ] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Somebody asked for the merged metrics.
    pub fn scraped(&self) {
        self.scrapes.inc();
    }

    /// The application's metrics are missing in them.
    pub fn scrape_failed(&self) {
        self.scrape_failures.get_or_create(&APPLICATION).inc();
    }

    /// The OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // A String takes every write.
        let _ = text::encode_registry(&mut text, &self.registry);
        self.records.encode(&mut text);
        let _ = text::encode_eof(&mut text);
        text
    }

    /// Nothing has been counted; the records are shown, too.
    pub fn new(records: Arc<Records>) -> Self {
        let mut registry = Registry::default();
        let refused = Family::<Labels, Counter>::default();
        registry.register(
            "pillion_connections_refused",
            "Connections that were reset before they reached a server; the access log has the same reasons, but \
             for no_room and own_port",
            refused.clone(),
        );
        let evicted = Counter::default();
        registry.register(
            "pillion_connections_evicted",
            "Connections that were cut at the limit, to make room for one of another address",
            evicted.clone(),
        );
        let closed_ports = Gauge::default();
        registry.register(
            "pillion_closed_ports",
            "Ports that the configuration names and that can't be opened; the log says why",
            closed_ports.clone(),
        );
        let http2 = Http2::default();
        http2.register(&mut registry);
        let tls = Tls::default();
        tls.register(&mut registry);
        let own_ports = PortMetrics::default();
        own_ports.register(&mut registry, "pillion_own_ports_");
        let configuration = Configuration::default();
        configuration.register(&mut registry);
        let certificates = Certificates::default();
        certificates.register(&mut registry);
        let (scrapes, scrape_failures) = (Counter::default(), Family::default());
        registry.register(
            "istio_agent_scrapes",
            "Scrapes of the merged metrics",
            scrapes.clone(),
        );
        registry.register(
            "istio_agent_scrape_failures",
            "Targets whose metrics were missing in a scrape of the merged metrics",
            scrape_failures.clone(),
        );
        // The rate of a series that first appears with 1 is 0: show it from the start.
        drop(scrape_failures.get_or_create(&APPLICATION));
        registry.register_collector(Box::new(Process));
        Self {
            registry,
            records,
            refused,
            evicted,
            closed_ports,
            http2,
            tls,
            own_ports,
            configuration,
            certificates,
            scrapes,
            scrape_failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use pillion_serve::Frame;

    use super::*;
    use crate::records::Workload;

    #[test]
    fn shows_the_records_before_the_end() {
        let records = Arc::new(Records::new(Workload::default(), None));
        let metrics = Metrics::new(records);
        metrics.refused(Direction::Outbound, "no_room");
        metrics.set_connected(true);
        metrics.refused_resource("type.googleapis.com/envoy.config.listener.v3.Listener");
        metrics.set_configuration(1, 2, 3);
        metrics
            .http2()
            .flooded("destination", Peer::Client, Frame::Ping);
        metrics.http2().flooded("source", Peer::Server, Frame::Data);
        metrics.http2().broken();
        metrics.http2().refused_head("invalid_host");
        metrics.http2().sent_error(Peer::Client, "rst_stream", 1);
        metrics.http2().sent_error(Peer::Server, "goaway", 11);
        metrics
            .http2()
            .sent_error(Peer::Client, "rst_stream", 0xfa11);
        let text = metrics.encode();
        for line in [
            "pillion_connections_refused_total{reporter=\"source\",reason=\"no_room\"} 1",
            "pillion_connections_evicted_total 0",
            "pillion_http2_floods_total{reporter=\"destination\",peer=\"client\",frame=\"ping\"} 1",
            "pillion_http2_floods_total{reporter=\"source\",peer=\"server\",frame=\"data\"} 1",
            "pillion_http2_violations_total 1",
            "pillion_http2_refused_heads_total{reason=\"invalid_host\"} 1",
            "pillion_http2_errors_sent_total{peer=\"client\",frame=\"rst_stream\",code=\"protocol_error\"} 1",
            "pillion_http2_errors_sent_total{peer=\"server\",frame=\"goaway\",code=\"enhance_your_calm\"} 1",
            "pillion_http2_errors_sent_total{peer=\"client\",frame=\"rst_stream\",code=\"other\"} 1",
            "pillion_tls_violations_total 0",
            "pillion_own_ports_connections_failed_total 0",
            "pillion_configuration_connected 1",
            "pillion_configuration_refusals_total{type=\"Listener\"} 1",
            "pillion_configuration_refused_resources 1",
            "pillion_configuration_names_not_asked 2",
            "pillion_dns_names_not_asked 3",
            "pillion_metric_series_overflows_total 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{text}");
        }
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        assert_eq!(text.matches("# EOF").count(), 1);
    }
}
