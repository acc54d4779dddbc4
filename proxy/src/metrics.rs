//! What the proxy counts, under Istio's names.
//!
//! Peers are not known yet, so a series tells no more than which side of a connection
//! reports it.

use pillion_telemetry::Process;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::{tcp::relay::Bytes, traffic::Direction};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reporter: &'static str,
}

impl From<Direction> for Labels {
    fn from(direction: Direction) -> Self {
        let reporter = match direction {
            Direction::Outbound => "source",
            Direction::Inbound => "destination",
        };
        Self { reporter }
    }
}

/// The metrics of the process. Clones count together.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    opened: Family<Labels, Counter>,
    closed: Family<Labels, Counter>,
    sent: Family<Labels, Counter>,
    received: Family<Labels, Counter>,
    refused: Family<Labels, Counter>,
    failed: Family<Labels, Counter>,
    scrapes: Counter,
    scrape_failures: Family<ScrapeLabels, Counter>,
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
    /// A connection of a client was taken, and one to its server made.
    pub fn tcp_opened(&self, direction: Direction) {
        self.opened.get_or_create(&direction.into()).inc();
    }

    /// Both have ended.
    pub fn tcp_closed(&self, direction: Direction, bytes: Bytes) {
        // Istio counts what a connection's server sends as sent.
        let labels = direction.into();
        self.received.get_or_create(&labels).inc_by(bytes.sent);
        self.sent.get_or_create(&labels).inc_by(bytes.received);
        self.closed.get_or_create(&labels).inc();
    }

    /// A connection was refused: there are too many, or it was to a port of the proxy.
    pub fn refused(&self, direction: Direction) {
        self.refused.get_or_create(&direction.into()).inc();
    }

    /// The server of a connection could not be reached.
    pub fn connect_failed(&self, direction: Direction) {
        self.failed.get_or_create(&direction.into()).inc();
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
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let mut family = |name: &str, help: &str| {
            let family = Family::<Labels, Counter>::default();
            registry.register(name, help, family.clone());
            family
        };
        let (opened, closed, sent, received, refused, failed) = (
            family(
                "istio_tcp_connections_opened",
                "Connections that were opened",
            ),
            family(
                "istio_tcp_connections_closed",
                "Connections that have ended",
            ),
            family("istio_tcp_sent_bytes", "Bytes that servers sent"),
            family("istio_tcp_received_bytes", "Bytes that clients sent"),
            family(
                "pillion_connections_refused",
                "Connections that were refused: too many, or to a port of the proxy itself",
            ),
            family(
                "pillion_connect_failures",
                "Connections whose server could not be reached",
            ),
        );
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
            opened,
            closed,
            sent,
            received,
            refused,
            failed,
            scrapes,
            scrape_failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_istios_names() {
        let metrics = Metrics::default();
        metrics.tcp_opened(Direction::Outbound);
        let bytes = Bytes {
            sent: 3,
            received: 5,
        };
        metrics.tcp_closed(Direction::Inbound, bytes);
        let text = metrics.encode();
        for line in [
            "istio_tcp_connections_opened_total{reporter=\"source\"} 1",
            "istio_tcp_sent_bytes_total{reporter=\"destination\"} 5",
            "istio_tcp_received_bytes_total{reporter=\"destination\"} 3",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
