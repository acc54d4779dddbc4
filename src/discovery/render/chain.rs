//! Filter chains: which connections they are for, and what carries bytes.

use std::time::Duration;

use pillion_envoy_api::{
    any,
    envoy::{
        config::listener::v3::{
            Filter, FilterChain, FilterChainMatch, ListenerFilter, filter, listener_filter,
        },
        extensions::filters::{
            listener::{
                http_inspector::v3::HttpInspector, original_dst::v3::OriginalDst,
                tls_inspector::v3::TlsInspector,
            },
            network::tcp_proxy::v3::{
                TcpProxy,
                tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
            },
        },
    },
    type_url,
};

use super::{
    Settings,
    common::{access_log, duration, range},
};
use crate::model::{BLACK_HOLE_CLUSTER, OutboundPolicy, PASSTHROUGH_CLUSTER, TcpCluster, TcpRoute};

/// What the HTTP inspector calls the protocols that are HTTP.
pub(super) const HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];
/// What the TLS inspector calls bytes that are not TLS. In TLS, a client may offer the same
/// protocols by ALPN.
pub(super) const PLAIN: &str = "raw_buffer";

/// The match of connections that carry plain HTTP.
pub(super) fn http_match() -> FilterChainMatch {
    FilterChainMatch {
        application_protocols: HTTP.map(str::to_owned).to_vec(),
        transport_protocol: PLAIN.to_owned(),
        ..FilterChainMatch::default()
    }
}

/// A chain with one filter.
pub(super) fn chain(name: &str, matches: Option<FilterChainMatch>, filter: Filter) -> FilterChain {
    FilterChain {
        name: name.to_owned(),
        filter_chain_match: matches,
        filters: vec![filter],
        ..FilterChain::default()
    }
}

/// The chains of routes of bytes: those with conditions, and the one without.
pub(super) struct TcpChains {
    /// The chains with conditions.
    pub matched: Vec<FilterChain>,
    /// The chain of other connections.
    pub other: Option<FilterChain>,
    /// Whether a condition is on the TLS server name.
    pub reads_tls: bool,
}

/// Returns the chains of routes. A chain's name is that of its first cluster.
pub(super) fn tcp_chains(routes: &[TcpRoute], settings: &Settings) -> TcpChains {
    let mut chains = TcpChains {
        matched: Vec::new(),
        other: None,
        reads_tls: false,
    };
    for route in routes {
        let filter = tcp_proxy(&route.clusters, route.idle_timeout, settings);
        let name = route.clusters.first().map_or("", |first| &first.cluster);
        if route.destinations.is_empty() && route.server_names.is_empty() {
            // Envoy refuses two chains with the same conditions; the first is the older rule's.
            chains
                .other
                .get_or_insert_with(|| chain(name, None, filter));
            continue;
        }
        chains.reads_tls |= !route.server_names.is_empty();
        let matches = FilterChainMatch {
            prefix_ranges: route.destinations.iter().map(range).collect(),
            server_names: route.server_names.iter().map(ToString::to_string).collect(),
            ..FilterChainMatch::default()
        };
        chains.matched.push(chain(name, Some(matches), filter));
    }
    chains
}

/// Carries bytes to one of these clusters.
pub(super) fn tcp_proxy(
    clusters: &[TcpCluster],
    idle_timeout: Option<Duration>,
    settings: &Settings,
) -> Filter {
    let specifier = match clusters {
        [only] => ClusterSpecifier::Cluster(only.cluster.to_string()),
        several => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: several
                .iter()
                .map(|to| ClusterWeight {
                    name: to.cluster.to_string(),
                    weight: to.weight,
                    ..ClusterWeight::default()
                })
                .collect(),
        }),
    };
    let first = clusters.first().map_or("", |first| &first.cluster);
    let proxy = TcpProxy {
        stat_prefix: first.to_owned(),
        cluster_specifier: Some(specifier),
        idle_timeout: idle_timeout.map(duration),
        access_log: access_log(settings),
        ..TcpProxy::default()
    };
    Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(
            type_url::TCP_PROXY,
            &proxy,
        ))),
    }
}

/// Carries bytes to one cluster.
pub(super) fn tcp_to(cluster: &str, settings: &Settings) -> Filter {
    let to = TcpCluster {
        cluster: cluster.into(),
        weight: 1,
    };
    tcp_proxy(&[to], None, settings)
}

/// The chain of destinations that the mesh does not know.
pub(super) fn unknown(settings: &Settings) -> FilterChain {
    let cluster = match settings.outbound {
        OutboundPolicy::AllowAny => PASSTHROUGH_CLUSTER,
        OutboundPolicy::RegistryOnly => BLACK_HOLE_CLUSTER,
    };
    chain(cluster, None, tcp_to(cluster, settings))
}

/// Recognises TLS, and reads its server name and ALPN.
pub(super) fn tls_inspector() -> ListenerFilter {
    listener_filter(
        "envoy.filters.listener.tls_inspector",
        any(type_url::TLS_INSPECTOR, &TlsInspector::default()),
    )
}

/// Recognises HTTP.
pub(super) fn http_inspector() -> ListenerFilter {
    listener_filter(
        "envoy.filters.listener.http_inspector",
        any(type_url::HTTP_INSPECTOR, &HttpInspector::default()),
    )
}

/// Finds out where a captured connection was going.
pub(super) fn original_dst() -> ListenerFilter {
    listener_filter(
        "envoy.filters.listener.original_dst",
        any(type_url::ORIGINAL_DST, &OriginalDst::default()),
    )
}

fn listener_filter(name: &str, config: pillion_envoy_api::Any) -> ListenerFilter {
    ListenerFilter {
        name: name.to_owned(),
        config_type: Some(listener_filter::ConfigType::TypedConfig(config)),
        ..ListenerFilter::default()
    }
}
