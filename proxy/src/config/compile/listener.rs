//! Listener.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use pillion_envoy_api::{
    envoy::config::{
        core::v3::TrafficDirection,
        listener::v3::{
            AdditionalAddress, FilterChain, Listener as ListenerMessage, ListenerFilter, listener,
            listener_filter,
        },
    },
    type_url,
};

use super::{
    any::{Extension, extension, message},
    citations::Citations,
    fault::{Fault, at, at_index, at_most, each, refuse_if},
    filter_chain::filter_chain,
    parts::{Part, Parts},
    scope::Scope,
    values::{duration, socket_address},
};
use crate::config::kind::Kind;

/// Filter chains of one listener, and addresses of it.
const MAX_CHAINS: usize = 4_096;
const MAX_ADDRESSES: usize = 64;
/// Envoy's default.
const DETECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// The ports that captured traffic is redirected to, which no configuration can change.
const OUTBOUND: u16 = 15001;
const INBOUND: u16 = 15006;

/// A listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub place: Place,
    /// For each destination port; captured traffic that comes in alone has some.
    pub ports: BTreeMap<u16, Part>,
    /// For all other connections.
    pub rest: Part,
    pub cites: Citations,
}

/// Which connections a listener gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// What the pod sends, and no other listener is for.
    Outbound,
    /// What comes to the pod.
    Inbound,
    /// What the pod sends to one of these. An unspecified address means all of its port.
    Destinations(Vec<SocketAddr>),
    /// What clients send to this port of the proxy.
    Port(u16),
}

/// Compiles a resource of that name.
pub(crate) fn listener(kind: Kind, name: &str, bytes: &[u8]) -> Result<Listener, Fault> {
    let message: ListenerMessage = message(type_url::LISTENER, bytes)?;
    if message.name != name {
        return Err(Fault::new(
            "name",
            format!("is {:?} in the resource {name:?}", message.name),
        ));
    }
    let scope = Scope::default();
    let (place, ports, rest) = compile(kind, &scope, message)?;
    Ok(Listener {
        place,
        ports,
        rest,
        cites: scope.into_cites(),
    })
}

fn compile(
    kind: Kind,
    scope: &Scope,
    message: ListenerMessage,
) -> Result<(Place, BTreeMap<u16, Part>, Part), Fault> {
    let ListenerMessage {
        name: _,
        address,
        additional_addresses,
        // For Envoy's own statistics.
        stat_prefix: _,
        filter_chains,
        use_original_dst,
        default_filter_chain,
        // Buffers have bounds of their own.
        per_connection_buffer_limit_bytes: _,
        // For filters that there are none of.
        metadata: _,
        deprecated_v1,
        // Connections live on when their listener changes.
        drain_type: _,
        listener_filters,
        listener_filters_timeout,
        // A client that says nothing may wait for its server: it is never cut off.
        continue_on_listener_filters_timeout: _,
        transparent,
        // The addresses that are supported can always be bound.
        freebind: _,
        traffic_direction,
        // The kernel spreads connections over the workers.
        connection_balance_config: _,
        enable_reuse_port: _,
        // The proxy's log is the mesh's, by its environment.
        access_log: _,
        // How connections are accepted, and how many, is the process's own matter.
        tcp_backlog_size: _,
        max_connections_to_accept_per_socket_event: _,
        ignore_global_conn_limit: _,
        bind_to_port,
    } = message;
    refuse_if(transparent == Some(true), "transparent")?;
    let inspects = listener_filters_of(listener_filters)?;
    let binds = bind_to_port.or(deprecated_v1.and_then(|old| {
        let listener::DeprecatedV1 { bind_to_port } = old;
        bind_to_port
    }));
    let mut addresses = vec![socket_address("address", address)?];
    addresses.extend(each(
        "additional_addresses",
        MAX_ADDRESSES,
        additional_addresses,
        |extra| {
            let AdditionalAddress { address } = extra;
            socket_address("address", address)
        },
    )?);
    let captures = use_original_dst == Some(true) || inspects.restores_destination;
    let place = place(kind, captures, traffic_direction, binds, addresses)?;
    let timeout = duration("listener_filters_timeout", listener_filters_timeout)?;
    let timeout = timeout.unwrap_or(DETECTION_TIMEOUT);
    let (ports, rest) = chains(kind, scope, filter_chains, default_filter_chain, timeout)?;
    check_ports(&place, &ports)?;
    let ports = match place {
        Place::Inbound => ports,
        _ => BTreeMap::new(),
    };
    Ok((place, ports, rest))
}

/// What a listener's filters find out.
struct Inspects {
    restores_destination: bool,
}

/// How a connection's protocol is found out follows from the filter chains.
fn listener_filters_of(messages: Vec<ListenerFilter>) -> Result<Inspects, Fault> {
    let mut restores_destination = false;
    for (index, message) in messages.into_iter().enumerate() {
        let ListenerFilter {
            name: _,
            config_type,
            // Istio disables inspectors on ports whose chains need none.
            filter_disabled: _,
        } = message;
        let config = config_type.map(|listener_filter::ConfigType::TypedConfig(config)| config);
        let found = extension(config.as_ref());
        let found = found
            .map_err(at("typed_config"))
            .map_err(at_index("listener_filters", index))?;
        let Extension::Known(config) = found else {
            continue;
        };
        match config.type_url.as_str() {
            type_url::ORIGINAL_DST => restores_destination = true,
            type_url::TLS_INSPECTOR | type_url::HTTP_INSPECTOR => {}
            other => {
                let reason = format!("{other} is not a listener filter of this proxy");
                return Err(at_index("listener_filters", index)(Fault::new(
                    "typed_config",
                    reason,
                )));
            }
        }
    }
    Ok(Inspects {
        restores_destination,
    })
}

fn place(
    kind: Kind,
    captures: bool,
    direction: i32,
    binds: Option<bool>,
    addresses: Vec<SocketAddr>,
) -> Result<Place, Fault> {
    let inbound = direction == i32::from(TrafficDirection::Inbound);
    let first = addresses.first().map_or(0, SocketAddr::port);
    let place = match (captures, inbound, binds) {
        (true, true, _) if first == INBOUND => Place::Inbound,
        (true, false, _) if first == OUTBOUND => Place::Outbound,
        (true, ..) => {
            let reason =
                format!("captured traffic has the port {OUTBOUND} outbound, and {INBOUND} inbound");
            return Err(Fault::new("address.socket_address.port_value", reason));
        }
        (false, false, Some(false)) => Place::Destinations(addresses),
        (false, true, Some(false)) => {
            let reason = "must not be INBOUND with bind_to_port: false";
            return Err(Fault::new("traffic_direction", reason));
        }
        (false, _, Some(true) | None) => {
            let differs = addresses.iter().any(|address| address.port() != first);
            if differs
                || addresses
                    .iter()
                    .any(|address| !address.ip().is_unspecified())
            {
                let reason = "must be 0.0.0.0 or :: where the port is bound";
                return Err(Fault::new("address.socket_address.address", reason));
            }
            Place::Port(first)
        }
    };
    match (kind, &place) {
        (Kind::Sidecar, Place::Port(_)) => Err(Fault::new(
            "bind_to_port",
            "must be false: a sidecar binds no ports",
        )),
        (Kind::Gateway, Place::Outbound | Place::Inbound | Place::Destinations(_)) => {
            Err(Fault::new(
                "bind_to_port",
                "must be true: a gateway's traffic is not captured",
            ))
        }
        _ => Ok(place),
    }
}

fn chains(
    kind: Kind,
    scope: &Scope,
    chains: Vec<FilterChain>,
    default: Option<FilterChain>,
    timeout: Duration,
) -> Result<(BTreeMap<u16, Part>, Part), Fault> {
    at_most("filter_chains", MAX_CHAINS, chains.len())?;
    let mut parts = Parts::new(timeout);
    for (index, message) in chains.into_iter().enumerate() {
        let added = filter_chain(kind, scope, message);
        let added = added.and_then(|(port, chain)| parts.add(port, chain));
        added.map_err(at_index("filter_chains", index))?;
    }
    if let Some(message) = default {
        let added = filter_chain(kind, scope, message);
        let added = added.and_then(|(_, chain)| parts.set_default(chain));
        added.map_err(at("default_filter_chain"))?;
    }
    Ok(parts.finish())
}

/// Destination ports are for traffic that comes in. Istio has one more of them: connections
/// to the proxy's own ports go nowhere, which they never do here.
fn check_ports(place: &Place, ports: &BTreeMap<u16, Part>) -> Result<(), Fault> {
    let own = [OUTBOUND, INBOUND];
    match ports.keys().find(|port| !own.contains(port)) {
        Some(_) if *place != Place::Inbound => Err(Fault::new(
            "filter_chains.filter_chain_match.destination_port",
            "is supported for inbound traffic only",
        )),
        _ => Ok(()),
    }
}
