//! Listener.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use pillion_envoy_api::{
    envoy::config::{
        core::v3::{Address, TrafficDirection},
        listener::v3::{
            AdditionalAddress, FilterChain, Listener as ListenerMessage, ListenerFilter, listener,
            listener_filter,
        },
    },
    type_url,
};
use prost::Message as _;

use super::{
    any::{Extension, extension, message},
    citations::Citations,
    fault::{Fault, Faults, at, at_index, at_most, each, refuse_if},
    filter_chain::{filter_chain, refusing},
    parts::{Part, Parts},
    scope::Scope,
    values::{duration, socket_address},
};
use crate::{
    kind::Kind,
    tables::{ClientCert, Detection, Patterns, TcpRefusal, TcpRoutes},
};

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
    /// Of filter chains and virtual hosts in whose place others stand, which refuse.
    pub faults: Faults,
    /// How much of the resource is used.
    pub used: Used,
}

/// How much of a listener's resource is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    All,
    /// Some filter chains or virtual hosts only say why they can't be used.
    Part,
    /// All that there is only says so.
    Nothing,
}

impl Listener {
    /// Whether traffic that has to work before a proxy is ready is refused: some of what comes to
    /// its application, or all that another listener is for. Virtual hosts of what the
    /// application sends don't count, which anybody may write for all pods.
    pub fn holds_readiness(&self) -> bool {
        match self.used {
            Used::All => false,
            Used::Part => self.place == Place::Inbound,
            Used::Nothing => true,
        }
    }
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
///
/// # Errors
///
/// When the listener as a whole can't be used.
pub(crate) fn listener(
    kind: Kind,
    patterns: &Patterns,
    name: &str,
    bytes: &[u8],
) -> Result<Listener, Fault> {
    let message: ListenerMessage = message(type_url::LISTENER, bytes)?;
    if message.name != name {
        return Err(Fault::new(
            "name",
            format!("is {:?} in the resource {name:?}", message.name),
        ));
    }
    let scope = Scope::new(patterns);
    let chains = message.filter_chains.len() + usize::from(message.default_filter_chain.is_some());
    let (place, ports, rest) = compile(kind, &scope, message)?;
    let refused_chains = scope.refused_chains();
    let has_felt_faults = scope.has_felt_faults();
    let (cites, faults) = scope.finish();
    let used = match (has_felt_faults, refused_chains < chains) {
        (false, _) => Used::All,
        (true, true) => Used::Part,
        (true, false) => Used::Nothing,
    };
    Ok(Listener {
        place,
        ports,
        rest,
        cites,
        faults,
        used,
    })
}

/// What stands in the place of a listener that can't be used, and of which nothing better is
/// known: it refuses its connections, which would be another listener's otherwise. `None` if
/// it can't be told which connections these are.
pub(crate) fn refusing_listener(kind: Kind, bytes: &[u8], fault: &Fault) -> Option<Listener> {
    let message = ListenerMessage::decode(bytes).ok()?;
    let filters = message.listener_filters.iter();
    let mut configs = filters.filter_map(|filter| filter.config_type.as_ref());
    let restores_destination = configs.any(|config| {
        let listener_filter::ConfigType::TypedConfig(config) = config;
        config.type_url == type_url::ORIGINAL_DST
    });
    let binding = Binding {
        address: message.address,
        additional_addresses: message.additional_addresses,
        bind_to_port: message.bind_to_port,
        deprecated_v1: message.deprecated_v1,
        traffic_direction: message.traffic_direction,
        captures: restores_destination || message.use_original_dst == Some(true),
    };
    let place = binding.place(kind).ok()?;
    let rest = Part {
        detection: Detection::Sniff(Duration::ZERO),
        routes: Some(refusing(fault)),
        tracing: None,
        client_cert: ClientCert::default(),
        tcp: TcpRoutes::refusing(TcpRefusal::Unusable),
        tls: Vec::new(),
        leaves_other_tls: true,
    };
    Some(Listener {
        place,
        ports: BTreeMap::new(),
        rest,
        cites: Citations::default(),
        faults: fault.clone().into(),
        used: Used::Nothing,
    })
}

fn compile(
    kind: Kind,
    scope: &Scope<'_>,
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
    let binding = Binding {
        address,
        additional_addresses,
        bind_to_port,
        deprecated_v1,
        traffic_direction,
        captures: use_original_dst == Some(true) || inspects.restores_destination,
    };
    let place = binding.place(kind)?;
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

/// What a listener's place follows from.
struct Binding {
    address: Option<Address>,
    additional_addresses: Vec<AdditionalAddress>,
    bind_to_port: Option<bool>,
    deprecated_v1: Option<listener::DeprecatedV1>,
    traffic_direction: i32,
    /// Its connections are captured, and their original destinations decide.
    captures: bool,
}

impl Binding {
    fn place(self, kind: Kind) -> Result<Place, Fault> {
        let binds = self.bind_to_port.or(self.deprecated_v1.and_then(|old| {
            let listener::DeprecatedV1 { bind_to_port } = old;
            bind_to_port
        }));
        let mut addresses = vec![socket_address("address", self.address)?];
        addresses.extend(each(
            "additional_addresses",
            MAX_ADDRESSES,
            self.additional_addresses,
            |extra| {
                let AdditionalAddress { address } = extra;
                socket_address("address", address)
            },
        )?);
        place(
            kind,
            self.captures,
            self.traffic_direction,
            binds,
            addresses,
        )
    }
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
    scope: &Scope<'_>,
    chains: Vec<FilterChain>,
    default: Option<FilterChain>,
    timeout: Duration,
) -> Result<(BTreeMap<u16, Part>, Part), Fault> {
    at_most("filter_chains", MAX_CHAINS, chains.len())?;
    let mut parts = Parts::new(timeout);
    for (index, message) in chains.into_iter().enumerate() {
        scope.within(at_index("filter_chains", index), || {
            let (port, chain) = filter_chain(kind, scope, message)?;
            parts.add(port, chain)
        })?;
    }
    if let Some(message) = default {
        scope.within(at("default_filter_chain"), || {
            let (_, chain) = filter_chain(kind, scope, message)?;
            parts.set_default(chain)
        })?;
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
