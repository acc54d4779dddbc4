//! A sidecar's inbound listener and clusters.

use pillion_envoy_api::envoy::config::{
    cluster::v3::Cluster,
    core::v3::TrafficDirection,
    listener::v3::{FilterChain, FilterChainMatch, Listener},
};

use super::{
    Settings,
    chain::{chain, http_inspector, http_match, original_dst, tcp_to, tls_inspector},
    cluster::{inbound_passthrough, inbound_port},
    common::address,
    inbound_chain::{Port, Speaks, chains, reads_http},
    outbound::{any_address, wait_for_bytes},
    route::inbound_routes,
};
use crate::model::{
    BLACK_HOLE_CLUSTER, Effective, INBOUND_PASSTHROUGH_CLUSTER, Inbound, InboundPort, MtlsMode,
    Tracer,
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
    let mut all = vec![chain(
        "virtualInbound-blackhole",
        Some(own_port),
        tcp_to(BLACK_HOLE_CLUSTER, settings),
    )];
    let how = (settings, tracer);
    all.extend(inbound.ports.iter().flat_map(|port| port_chains(port, how)));
    let named = inbound.named.iter();
    for (port, mtls) in named.filter(|(port, _)| *port != CAPTURE) {
        let name = format!("virtualInbound_{port}");
        let others = others(&name, Some(*port), mtls);
        all.extend(other_chains(&others, how));
    }
    let mut default = None;
    if is_plain(inbound) {
        let routes = inbound_routes(INBOUND_PASSTHROUGH_CLUSTER, "", 0);
        let name = "virtualInbound-catchall-http";
        let filter = reads_http(name, routes, how);
        all.push(chain(name, Some(http_match()), filter));
        let filter = tcp_to(INBOUND_PASSTHROUGH_CLUSTER, settings);
        default = Some(chain("virtualInbound", None, filter));
    } else {
        // A default chain would also take what a port's own chains do not.
        let others = others("virtualInbound", None, &inbound.others);
        all.extend(other_chains(&others, how));
    }
    let mut listener = Listener {
        name: "virtualInbound".to_owned(),
        address: Some(address(any_address(is_ipv6_only), CAPTURE)),
        filter_chains: all,
        default_filter_chain: default,
        listener_filters: vec![original_dst(), tls_inspector(), http_inspector()],
        traffic_direction: TrafficDirection::Inbound.into(),
        ..Listener::default()
    };
    wait_for_bytes(&mut listener);
    listener
}

/// Whether no port takes mutual TLS.
fn is_plain(inbound: &Inbound) -> bool {
    let ports = inbound.ports.iter().map(|port| &port.mtls);
    let named = inbound.named.iter().map(|(_, mtls)| mtls);
    let mut all = ports.chain(named).chain([&inbound.others]);
    all.all(|mtls| mtls.mode == MtlsMode::Disable)
}

/// The chains of a port of the pod.
fn port_chains(port: &InboundPort, how: (&Settings, Option<&Tracer>)) -> Vec<FilterChain> {
    let rendered = Port {
        name: &format!("0.0.0.0_{}", port.port),
        number: Some(port.port),
        speaks: Speaks::of(port.protocol),
        mtls: &port.mtls,
        cluster: &port.cluster,
    };
    let routes = || inbound_routes(&port.cluster, &port.host, port.service_port);
    chains(&rendered, &routes, how)
}

/// Ports that no Service names.
fn others<'a>(name: &'a str, number: Option<u16>, mtls: &'a Effective) -> Port<'a> {
    Port {
        name,
        number,
        speaks: Speaks::Sniffed,
        mtls,
        cluster: INBOUND_PASSTHROUGH_CLUSTER,
    }
}

fn other_chains(port: &Port<'_>, how: (&Settings, Option<&Tracer>)) -> Vec<FilterChain> {
    let routes = || inbound_routes(INBOUND_PASSTHROUGH_CLUSTER, "", 0);
    chains(port, &routes, how)
}

/// The clusters of the ports of the pod, and the one of ports that no Service names.
pub(in crate::discovery) fn inbound_clusters(
    inbound: &Inbound,
    is_ipv6_only: bool,
    settings: &Settings,
) -> Vec<Cluster> {
    let ports = inbound.ports.iter();
    ports
        .map(|port| inbound_port(port, is_ipv6_only, settings))
        .chain([inbound_passthrough(is_ipv6_only, settings)])
        .collect()
}
