//! Cluster.

use std::{sync::Arc, time::Duration};

use pillion_envoy_api::{
    envoy::config::{
        cluster::v3::{
            Cluster as ClusterMessage, UpstreamConnectionOptions,
            cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig},
        },
        core::v3::BindConfig,
    },
    type_url,
};

use super::{
    any::{Extension, extension, message},
    balancer::{Balancing, balancing},
    circuit_breakers::circuit_breakers,
    dns::{Dns, DnsFields, dns},
    fault::{Fault, at, at_index, refuse_if},
    load_assignment::{LoadAssignment, check_has_addresses, load_assignment},
    service::service,
    transport_socket_matches::{Sockets, sockets},
    upstream_protocol::{ProtocolFields, upstream_protocol},
    values::{from_same_server, ip, limit},
};
use crate::{
    net::socket::{INBOUND_SOURCE_V4, INBOUND_SOURCE_V6},
    tables::{ClusterSettings, Source},
};

/// As in Envoy; Istio always sends one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A cluster, without the endpoints that come later.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cluster {
    pub settings: ClusterSettings,
    pub discovery: Discovery,
    /// Whether localities have shares of their own.
    pub weighs_localities: bool,
    /// Which endpoints are spoken to by TLS.
    pub sockets: Sockets,
}

/// Where endpoints come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Discovery {
    /// The connection's original destination.
    OriginalDestination,
    /// The ClusterLoadAssignment of that name.
    Assignment(Arc<str>),
    /// The cluster itself.
    Static(LoadAssignment),
    /// DNS.
    Dns(Dns),
}

/// Compiles a resource of that name.
pub(crate) fn cluster(name: &str, bytes: &[u8]) -> Result<Cluster, Fault> {
    let message: ClusterMessage = message(type_url::CLUSTER, bytes)?;
    if message.name != name {
        return Err(Fault::new(
            "name",
            format!("is {:?} in the resource {name:?}", message.name),
        ));
    }
    check(&message)?;
    compile(message)
}

/// Refuses what asks for something that isn't done.
fn check(message: &ClusterMessage) -> Result<(), Fault> {
    refuse_if(message.outlier_detection.is_some(), "outlier_detection")?;
    refuse_if(
        message.load_balancing_policy.is_some(),
        "load_balancing_policy",
    )?;
    refuse_if(
        message.close_connections_on_host_health_failure,
        "close_connections_on_host_health_failure",
    )?;
    refuse_if(
        message.connection_pool_per_downstream_connection,
        "connection_pool_per_downstream_connection",
    )?;
    if let Some(UpstreamConnectionOptions {
        tcp_keepalive,
        // For Envoy's own logs.
        set_local_interface_name_on_upstream_connections: _,
    }) = &message.upstream_connection_options
    {
        let refused = refuse_if(tcp_keepalive.is_some(), "tcp_keepalive");
        refused.map_err(at("upstream_connection_options"))?;
    }
    for (index, filter) in message.filters.iter().enumerate() {
        let found = extension(filter.typed_config.as_ref());
        let checked = match found.map_err(at("typed_config")) {
            Ok(Extension::Native) => Ok(()),
            Ok(Extension::Known(_)) => Err(Fault::unsupported("typed_config")),
            Err(fault) => Err(fault),
        };
        checked.map_err(at_index("filters", index))?;
    }
    Ok(())
}

fn compile(message: ClusterMessage) -> Result<Cluster, Fault> {
    let ClusterMessage {
        name,
        cluster_discovery_type,
        eds_cluster_config,
        connect_timeout,
        lb_policy,
        lb_config,
        common_lb_config,
        load_assignment,
        max_requests_per_connection,
        circuit_breakers: breakers,
        common_http_protocol_options,
        http_protocol_options,
        http2_protocol_options,
        typed_extension_protocol_options,
        protocol_selection,
        dns_refresh_rate,
        dns_jitter,
        respect_dns_ttl,
        dns_lookup_family,
        upstream_bind_config,
        metadata,
        transport_socket_matches,
        transport_socket,
        // Checked above.
        outlier_detection: _,
        load_balancing_policy: _,
        close_connections_on_host_health_failure: _,
        connection_pool_per_downstream_connection: _,
        upstream_connection_options: _,
        filters: _,
        // For Envoy's own statistics.
        alt_stat_name: _,
        track_timeout_budgets: _,
        // Buffers have bounds of their own.
        per_connection_buffer_limit_bytes: _,
        // For names in handshakes that follow from requests, which none does.
        upstream_http_protocol_options: _,
        // The proxy backs off by itself.
        dns_failure_refresh_rate: _,
        // A route waits for its clusters in any case.
        wait_for_warm_on_init: _,
        // Endpoints that are original destinations are not kept.
        cleanup_interval: _,
        // Of no effect without active health checks.
        ignore_health_on_host_removal: _,
    } = message;
    let discovery_type = discovery_type(cluster_discovery_type)?;
    let protocol = upstream_protocol(ProtocolFields {
        common_http_protocol_options,
        http_protocol_options,
        http2_protocol_options,
        typed_extension_protocol_options,
        protocol_selection,
        max_requests_per_connection,
    })?;
    let Balancing {
        balancer,
        weighs_localities,
    } = balancing(discovery_type, lb_policy, lb_config, common_lb_config)?;
    let (limits, retry_budget) =
        circuit_breakers(breakers.unwrap_or_default()).map_err(at("circuit_breakers"))?;
    let discovery = match discovery_type {
        DiscoveryType::OriginalDst => Discovery::OriginalDestination,
        DiscoveryType::Eds => {
            let config = eds_cluster_config.unwrap_or_default();
            Discovery::Assignment(assignment(config, &name).map_err(at("eds_cluster_config"))?)
        }
        DiscoveryType::Static => {
            let assignment = self::load_assignment(load_assignment.unwrap_or_default());
            let assignment = assignment.map_err(at("load_assignment"))?;
            check_has_addresses(&assignment).map_err(at("load_assignment"))?;
            Discovery::Static(assignment)
        }
        DiscoveryType::StrictDns | DiscoveryType::LogicalDns => {
            let fields = DnsFields {
                load_assignment: load_assignment.unwrap_or_default(),
                dns_refresh_rate,
                dns_jitter,
                respect_dns_ttl,
                dns_lookup_family,
            };
            Discovery::Dns(dns(fields, discovery_type == DiscoveryType::LogicalDns)?)
        }
    };
    let sockets = sockets(transport_socket, transport_socket_matches)?;
    let source = source(upstream_bind_config).map_err(at("upstream_bind_config"))?;
    let settings = ClusterSettings {
        service: service(metadata.as_ref()),
        balancer,
        protocol: protocol.version,
        connect_timeout: limit("connect_timeout", connect_timeout)?.unwrap_or(CONNECT_TIMEOUT),
        idle_timeout: protocol.idle_timeout,
        max_requests_per_connection: protocol.max_requests,
        limits,
        retry_budget,
        source,
        // Only the pod's own application is on this host.
        leaves_out_own_host: source == Source::Any,
        tls: sockets.tls.clone(),
        secures_original: sockets.secure(None),
        ..ClusterSettings::new(&name)
    };
    Ok(Cluster {
        settings,
        discovery,
        weighs_localities,
        sockets,
    })
}

fn discovery_type(kind: Option<ClusterDiscoveryType>) -> Result<DiscoveryType, Fault> {
    match kind {
        // Envoy's default.
        None => Ok(DiscoveryType::Static),
        Some(ClusterDiscoveryType::Type(number)) => {
            DiscoveryType::try_from(number).map_err(|_| Fault::unsupported("type"))
        }
        Some(ClusterDiscoveryType::ClusterType(_)) => Err(Fault::unsupported("cluster_type")),
    }
}

fn assignment(config: EdsClusterConfig, cluster: &str) -> Result<Arc<str>, Fault> {
    let EdsClusterConfig {
        eds_config,
        service_name,
    } = config;
    from_same_server("eds_config", eds_config)?;
    Ok(match service_name.is_empty() {
        true => Arc::from(cluster),
        false => Arc::from(service_name),
    })
}

fn source(config: Option<BindConfig>) -> Result<Source, Fault> {
    let Some(config) = config else {
        return Ok(Source::Any);
    };
    let BindConfig {
        source_address,
        // The addresses that are supported can always be bound.
        freebind: _,
        socket_options,
        extra_source_addresses,
    } = config;
    refuse_if(!socket_options.is_empty(), "socket_options")?;
    let Some(address) = source_address else {
        return Ok(Source::Any);
    };
    let own = [INBOUND_SOURCE_V4.into(), INBOUND_SOURCE_V6.into()];
    let others = extra_source_addresses
        .into_iter()
        .filter_map(|extra| extra.address);
    for address in std::iter::once(address).chain(others) {
        if !own.contains(&ip("source_address.address", &address.address)?) {
            let reason = "must be 127.0.0.6 or ::6, which Istio's inbound clusters have";
            return Err(Fault::new("source_address.address", reason));
        }
    }
    Ok(Source::Inbound)
}
