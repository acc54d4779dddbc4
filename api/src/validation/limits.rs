//! The most that the proxy and the discovery service take of something. The proxy would reject a
//! whole table for one object that has more, and with it everybody else's rules; the discovery
//! service would need memory for each combination.

use crate::findings::Findings;

/// Bytes of a text that is compared, set or written.
const TEXT: usize = 8 * 1024;
/// Conditions on headers, with those on the method, scheme and host, in one element of `match`.
pub(super) const CONDITIONS: usize = 256;
/// Headers that are set and added, or removed, at one place. Those of a route and of its only
/// destination are joined, and the proxy takes 256.
pub(super) const HEADERS: usize = 128;
/// Destinations of a route.
pub(super) const DESTINATIONS: usize = 1_024;
/// Networks in one element of `match`.
pub(super) const SUBNETS: usize = 1_024;
/// Regular expressions of one object. It also bounds the time to compile them.
pub(super) const PATTERNS: usize = 50;
/// About the bytes that all regular expressions of one object take compiled: every proxy that sees
/// it keeps them.
pub(super) const COMPILED: usize = 2 << 20;
/// Statuses and conditions of `retryOn`.
pub(super) const RETRY_ON: usize = 100;
/// Bytes of the body of a fixed answer, which every proxy keeps.
pub(super) const BODY: usize = 64 << 10;
/// Hosts of one object, or of one server of a gateway.
pub(super) const HOSTS: usize = 256;
/// Ports of a service, and policies of single ports.
pub(super) const PORTS: usize = 256;
/// Ports of all hosts of a service, each of which is a cluster.
pub(super) const HOST_PORTS: usize = 4_096;
/// Ports of all addresses of a service, each of which is a listener.
pub(super) const ADDRESS_PORTS: usize = 4_096;
/// Endpoints of all ports of all hosts of a service.
pub(super) const HOST_PORT_ENDPOINTS: usize = 65_536;
/// Elements of `match` in the routes for HTTP, of all hosts.
pub(super) const HOST_MATCHES: usize = 16_384;
/// Destinations of the routes for HTTP, of all hosts.
pub(super) const HOST_DESTINATIONS: usize = 65_536;
/// Destinations and changes of headers of the routes for HTTP: those of a route once for each
/// element of its `match`, which is a route of its own in a table.
pub(super) const MATCH_PARTS: usize = 65_536;
/// Bytes of the texts of the routes for HTTP, counted in the same way.
pub(super) const MATCH_BYTES: usize = 4 << 20;
/// Elements of `match` in the routes for TCP, of all hosts. Each is a filter chain, of which a
/// listener has 4,096 at most.
pub(super) const HOST_TCP_MATCHES: usize = 1_024;
/// Servers of a gateway.
pub(super) const SERVERS: usize = 64;
/// Subsets of a service, each of which is a cluster for each of its ports.
pub(super) const SUBSETS: usize = 256;
/// Names of one object that DNS is asked for, again and again and by every proxy.
pub(super) const DNS_NAMES: usize = 64;
/// Localities of a service's endpoints.
pub(super) const LOCALITIES: usize = 1_024;
/// Elements of a Telemetry's `tracing`.
pub(super) const TRACING: usize = 16;
/// Tags that are added to spans. The proxy takes 32, with Istio's own.
pub(super) const TAGS: usize = 24;
/// Bytes of the name of such a tag.
pub(super) const TAG_NAME: usize = 256;
/// Bytes of its value, where it is given. Spans have no longer ones.
pub(super) const TAG_VALUE: usize = 1_024;
/// Names of gateways or namespaces, and labels.
pub(super) const NAMES: usize = 256;

/// Bytes of the name that a TLS client asks for. Envoy takes no longer one.
pub(super) const SERVER_NAME: usize = 255;
/// Names that a server's certificate may be for: each cluster has them all.
pub(super) const SERVER_NAMES: usize = 16;
/// Bytes of such a name. Identities are no longer.
pub(super) const IDENTITY: usize = 512;

/// A text that gets into a table.
pub(super) fn text(findings: &mut Findings, text: &str) {
    if text.len() > TEXT {
        findings.fault(format!("has more than {TEXT} bytes"));
    }
}

/// A list whose elements get into a table.
pub(super) fn count(findings: &mut Findings, count: usize, most: usize) {
    if count > most {
        findings.fault(format!(
            "has {count} elements; there can't be more than {most}"
        ));
    }
}

/// Lists of which every combination gets into a table: how many there are of each, and what that
/// is.
pub(super) fn product(findings: &mut Findings, lists: &[(usize, &str)], most: usize) {
    let combinations = lists.iter().fold(1_usize, |product, (count, _)| {
        product.saturating_mul(*count)
    });
    if combinations > most {
        let counts: Vec<String> = lists
            .iter()
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        findings.fault(format!(
            "has {}, which multiply to {combinations}; there can't be more than {most}: use several objects",
            counts.join(" and ")
        ));
    }
}
