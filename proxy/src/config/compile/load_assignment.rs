//! ClusterLoadAssignment: the endpoints of a cluster.

use std::net::IpAddr;

use pillion_envoy_api::{
    envoy::config::{
        core::v3::HealthStatus,
        endpoint::v3::{
            ClusterLoadAssignment, Endpoint as EndpointMessage, LbEndpoint, LocalityLbEndpoints,
            cluster_load_assignment::Policy, lb_endpoint::HostIdentifier,
        },
    },
    type_url,
};

use super::{
    any::message,
    fault::{Fault, at, at_most, each, refuse_if},
    transport_socket_matches::tls_mode,
    values::host_port,
};

/// Endpoints of one assignment.
const MAX_ENDPOINTS: usize = 65_536;
/// Groups of them.
const MAX_LOCALITIES: usize = 4_096;
/// As in Envoy.
const MAX_PRIORITY: u32 = 128;

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    /// A name, without a dot at its end.
    Name(String),
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub host: Host,
    pub port: u16,
    /// Its share within its locality; at least 1.
    pub weight: u32,
    /// What it says of its transport, such as `istio` for mutual TLS.
    pub tls_mode: Option<Box<str>>,
}

/// Endpoints of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locality {
    /// 0 is taken first.
    pub priority: u32,
    /// Its share, where the cluster weighs localities; without one it gets nothing there.
    pub weight: Option<u32>,
    pub endpoints: Vec<Endpoint>,
}

/// The endpoints of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LoadAssignment {
    pub localities: Vec<Locality>,
}

impl LoadAssignment {
    /// All endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.localities
            .iter()
            .flat_map(|locality| &locality.endpoints)
    }
}

/// Compiles a resource of that name.
pub(crate) fn assignment(name: &str, bytes: &[u8]) -> Result<LoadAssignment, Fault> {
    let message: ClusterLoadAssignment = message(type_url::CLUSTER_LOAD_ASSIGNMENT, bytes)?;
    if message.cluster_name != name {
        let found = &message.cluster_name;
        return Err(Fault::new(
            "cluster_name",
            format!("is {found:?} in the resource {name:?}"),
        ));
    }
    let assignment = load_assignment(message)?;
    check_has_addresses(&assignment)?;
    Ok(assignment)
}

/// Compiles an assignment, wherever it stands.
pub(super) fn load_assignment(message: ClusterLoadAssignment) -> Result<LoadAssignment, Fault> {
    let ClusterLoadAssignment {
        cluster_name: _,
        endpoints,
        policy,
    } = message;
    check_policy(policy.unwrap_or_default()).map_err(at("policy"))?;
    let total = endpoints.iter().map(|group| group.lb_endpoints.len()).sum();
    at_most("endpoints.lb_endpoints", MAX_ENDPOINTS, total)?;
    let localities = each("endpoints", MAX_LOCALITIES, endpoints, locality)?;
    Ok(LoadAssignment { localities })
}

/// Checks that endpoints have addresses, where nobody would resolve their names.
pub(super) fn check_has_addresses(assignment: &LoadAssignment) -> Result<(), Fault> {
    let named = assignment
        .endpoints()
        .find_map(|endpoint| match &endpoint.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        });
    match named {
        Some(name) => Err(Fault::new(
            "endpoints",
            format!(
                "must have IP addresses, not {name:?}; names need a cluster of type STRICT_DNS"
            ),
        )),
        None => Ok(()),
    }
}

fn check_policy(policy: Policy) -> Result<(), Fault> {
    let Policy {
        drop_overloads,
        // Of no effect without active health checks.
        overprovisioning_factor: _,
        endpoint_stale_after,
        weighted_priority_health,
    } = policy;
    refuse_if(!drop_overloads.is_empty(), "drop_overloads")?;
    refuse_if(endpoint_stale_after.is_some(), "endpoint_stale_after")?;
    refuse_if(weighted_priority_health, "weighted_priority_health")
}

fn locality(message: LocalityLbEndpoints) -> Result<Locality, Fault> {
    let LocalityLbEndpoints {
        // For zone-aware balancing, which clusters are refused for.
        locality: _,
        proximity: _,
        // For filters that there are none of.
        metadata: _,
        lb_endpoints,
        load_balancing_weight,
        priority,
    } = message;
    if priority > MAX_PRIORITY {
        return Err(Fault::new(
            "priority",
            format!("must be at most {MAX_PRIORITY}"),
        ));
    }
    let endpoints = each("lb_endpoints", MAX_ENDPOINTS, lb_endpoints, lb_endpoint)?;
    Ok(Locality {
        priority,
        weight: load_balancing_weight,
        endpoints: endpoints.into_iter().flatten().collect(),
    })
}

/// An endpoint; `None` if it is not to be used.
fn lb_endpoint(message: LbEndpoint) -> Result<Option<Endpoint>, Fault> {
    let LbEndpoint {
        host_identifier,
        health_status,
        metadata,
        load_balancing_weight,
    } = message;
    let weight = match load_balancing_weight {
        Some(0) => return Err(Fault::new("load_balancing_weight", "must be at least 1")),
        weight => weight.unwrap_or(1),
    };
    let is_usable = match HealthStatus::try_from(health_status) {
        Ok(HealthStatus::Unknown | HealthStatus::Healthy) => true,
        Ok(HealthStatus::Unhealthy | HealthStatus::Draining | HealthStatus::Timeout) => false,
        Ok(HealthStatus::Degraded) | Err(_) => return Err(Fault::unsupported("health_status")),
    };
    let endpoint = match host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint,
        Some(HostIdentifier::EndpointName(_)) => return Err(Fault::unsupported("endpoint_name")),
        None => return Err(Fault::new("endpoint", "is missing")),
    };
    let mut endpoint = self::endpoint(endpoint, weight).map_err(at("endpoint"))?;
    endpoint.tls_mode = tls_mode(metadata);
    Ok(is_usable.then_some(endpoint))
}

fn endpoint(message: EndpointMessage, weight: u32) -> Result<Endpoint, Fault> {
    let EndpointMessage {
        address,
        // For active health checks, which clusters are refused for.
        health_check_config: _,
        // For `auto_host_rewrite`, which routes are refused for.
        hostname: _,
        additional_addresses,
    } = message;
    refuse_if(!additional_addresses.is_empty(), "additional_addresses")?;
    let found = host_port("address", address)?;
    let host = match found.host.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(found.host.trim_end_matches('.').to_ascii_lowercase()),
    };
    Ok(Endpoint {
        host,
        port: found.port,
        weight,
        tls_mode: None,
    })
}
