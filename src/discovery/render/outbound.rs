//! A sidecar's outbound listeners.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use pillion_envoy_api::envoy::config::{core::v3::TrafficDirection, listener::v3::Listener};

use super::{
    Settings,
    chain::{chain, http_inspector, http_match, tcp_chains, tls_inspector, unknown},
    common::{address, duration},
    http::{self, Side},
};
use crate::model::{self, ListenerProtocol, Tracer};

/// The port to which outbound connections are captured.
const CAPTURE: u16 = 15001;

/// The listener that captured outbound connections come to. It hands each to the listener of
/// its original destination, and keeps those of destinations that the mesh does not know.
pub(in crate::discovery) fn virtual_outbound(is_ipv6_only: bool, settings: &Settings) -> Listener {
    Listener {
        name: "virtualOutbound".to_owned(),
        address: Some(address(any_address(is_ipv6_only), CAPTURE)),
        use_original_dst: Some(true),
        default_filter_chain: Some(unknown(settings)),
        traffic_direction: TrafficDirection::Outbound.into(),
        ..Listener::default()
    }
}

/// The address that stands for all of a family.
pub(super) fn any_address(is_ipv6: bool) -> IpAddr {
    if is_ipv6 {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    }
}

/// The listener of an original destination. It binds no port.
pub(in crate::discovery) fn outbound_listener(
    listener: &model::Listener,
    settings: &Settings,
    tracer: Option<&Tracer>,
) -> Listener {
    let mut rendered = Listener {
        name: listener.name.to_string(),
        address: Some(address(listener.address, listener.port)),
        bind_to_port: Some(false),
        traffic_direction: TrafficDirection::Outbound.into(),
        ..Listener::default()
    };
    let how = (settings, tracer);
    let manager = |routes: &str| http::by_table(Side::Outbound, &listener.name, routes, how);
    match &listener.protocol {
        ListenerProtocol::Http { routes } => {
            rendered.filter_chains = vec![chain(routes, None, manager(routes))];
        }
        ListenerProtocol::Sniffed { routes, tcp } => {
            let chains = tcp_chains(tcp, settings);
            rendered.listener_filters = vec![tls_inspector(), http_inspector()];
            rendered.filter_chains = vec![chain(routes, Some(http_match()), manager(routes))];
            rendered.filter_chains.extend(chains.matched);
            rendered.default_filter_chain = Some(chains.other.unwrap_or_else(|| unknown(settings)));
        }
        ListenerProtocol::Tcp(routes) => {
            let chains = tcp_chains(routes, settings);
            if chains.reads_tls {
                rendered.listener_filters = vec![tls_inspector()];
            }
            rendered.filter_chains = chains.matched;
            rendered.default_filter_chain = Some(chains.other.unwrap_or_else(|| unknown(settings)));
        }
    }
    if !rendered.listener_filters.is_empty() {
        wait_for_bytes(&mut rendered);
    }
    rendered
}

/// Waits for the first bytes without limit, as Istio does by default.
pub(super) fn wait_for_bytes(listener: &mut Listener) {
    listener.listener_filters_timeout = Some(duration(Duration::ZERO));
    listener.continue_on_listener_filters_timeout = true;
}
