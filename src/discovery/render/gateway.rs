//! A gateway's listeners.

use pillion_envoy_api::envoy::config::{core::v3::TrafficDirection, listener::v3::Listener};

use super::{
    Settings,
    chain::{chain, tcp_chains, tls_inspector},
    common::address,
    http::{self, Side},
    outbound::wait_for_bytes,
};
use crate::model::{GatewayListener, GatewayProtocol, Tracer};

/// A port that a gateway binds.
pub(in crate::discovery) fn gateway_listener(
    listener: &GatewayListener,
    settings: &Settings,
    tracer: Option<&Tracer>,
) -> Listener {
    let mut rendered = Listener {
        name: listener.name.to_string(),
        address: Some(address(listener.address, listener.port)),
        traffic_direction: TrafficDirection::Outbound.into(),
        ..Listener::default()
    };
    match &listener.protocol {
        GatewayProtocol::Http { routes } => {
            let how = (settings, tracer);
            let manager = http::by_table(Side::Gateway, &listener.name, routes, how);
            rendered.filter_chains = vec![chain(routes, None, manager)];
        }
        GatewayProtocol::Tcp(routes) => {
            let chains = tcp_chains(routes, settings);
            if chains.reads_tls {
                rendered.listener_filters = vec![tls_inspector()];
                wait_for_bytes(&mut rendered);
            }
            rendered.filter_chains = chains.matched;
            // Without one, Envoy closes connections for which there is no chain.
            rendered.default_filter_chain = chains.other;
        }
    }
    rendered
}
