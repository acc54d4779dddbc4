//! A sidecar's inbound listener and clusters.

use pillion_envoy_api::envoy::config::{
    cluster::v3::Cluster,
    core::v3::TrafficDirection,
    listener::v3::{FilterChain, FilterChainMatch, Listener},
    route::v3::RouteConfiguration,
};

use super::{
    Settings,
    chain::{chain, http_inspector, http_match, original_dst, tcp_to, tls_inspector},
    cluster::{inbound_passthrough, inbound_port},
    common::address,
    http::{self, Side},
    outbound::{any_address, wait_for_bytes},
    route::inbound_routes,
};
use crate::model::{
    BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, Inbound, InboundPort, Protocol, Tracer,
};

/// The port to which inbound connections are captured.
const CAPTURE: u16 = 15006;

/// The listener that captured inbound connections come to.
pub(in crate::discovery) fn virtual_inbound(
    inbound: &Inbound,
    is_ipv6_only: bool,
    settings: &Settings,
    tracer: Option<&Tracer>,
) -> Listener {
    // A connection to the capture port itself would be captured again, without end.
    let own_port = FilterChainMatch {
        destination_port: Some(CAPTURE.into()),
        ..FilterChainMatch::default()
    };
    let mut chains = vec![chain(
        "virtualInbound-blackhole",
        Some(own_port),
        tcp_to(BLACK_HOLE_CLUSTER, settings),
    )];
    for port in &inbound.ports {
        chains.extend(port_chains(port, (settings, tracer)));
    }
    chains.push(http_chain(
        "virtualInbound-catchall-http",
        http_match(),
        inbound_routes(INBOUND_PASSTHROUGH_CLUSTER, "", 0),
        (settings, tracer),
    ));
    let mut listener = Listener {
        name: "virtualInbound".to_owned(),
        address: Some(address(any_address(is_ipv6_only), CAPTURE)),
        filter_chains: chains,
        default_filter_chain: Some(chain(
            "virtualInbound",
            None,
            tcp_to(INBOUND_PASSTHROUGH_CLUSTER, settings),
        )),
        listener_filters: vec![original_dst(), tls_inspector(), http_inspector()],
        traffic_direction: TrafficDirection::Inbound.into(),
        ..Listener::default()
    };
    wait_for_bytes(&mut listener);
    listener
}

/// The chains of a port of the pod.
fn port_chains(port: &InboundPort, how: (&Settings, Option<&Tracer>)) -> Vec<FilterChain> {
    let (name, cluster) = (format!("0.0.0.0_{}", port.port), &*port.cluster);
    let routes = || inbound_routes(cluster, &port.host, port.service_port);
    let of_port = |matches: FilterChainMatch| FilterChainMatch {
        destination_port: Some(port.port.into()),
        ..matches
    };
    let any = of_port(FilterChainMatch::default());
    let tcp = |matches| chain(&name, Some(matches), tcp_to(cluster, how.0));
    match port.protocol {
        Protocol::Udp => Vec::new(),
        protocol if protocol.is_http() => vec![http_chain(&name, any, routes(), how)],
        protocol if protocol.is_sniffed() => vec![
            http_chain(
                &format!("{name}_http"),
                of_port(http_match()),
                routes(),
                how,
            ),
            tcp(any),
        ],
        _ => vec![tcp(any)],
    }
}

fn http_chain(
    name: &str,
    matches: FilterChainMatch,
    routes: RouteConfiguration,
    how: (&Settings, Option<&Tracer>),
) -> FilterChain {
    let manager = http::inline(Side::Inbound, name, routes, how);
    chain(name, Some(matches), manager)
}

/// The clusters of the ports of the pod, and the one of ports that no Service names.
pub(in crate::discovery) fn inbound_clusters(
    inbound: &Inbound,
    is_ipv6_only: bool,
    settings: &Settings,
) -> Vec<Cluster> {
    let ports = inbound.ports.iter();
    ports
        .filter(|port| port.protocol != Protocol::Udp)
        .map(|port| inbound_port(port, is_ipv6_only, settings))
        .chain([inbound_passthrough(is_ipv6_only, settings)])
        .collect()
}
