//! `DestinationRule`: a service's subsets, and how its endpoints are used.

mod connection_pool;
mod load_balancer;
mod tls;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use connection_pool::{ConnectionPoolSettings, H2UpgradePolicy, HttpSettings, TcpSettings};
pub use load_balancer::{LoadBalancerSettings, SimpleLb};
pub use tls::{ClientTlsMode, ClientTlsSettings};

use crate::{NotBuilt, PortSelector};

/// The spec of a `DestinationRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationRuleSpec {
    /// The service's name. A name without a dot is in this object's namespace. A wildcard
    /// (`*.example.com`) means all services that match it and have no rule of their own.
    pub host: String,
    /// How the service's endpoints are used.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named subsets of the service's endpoints.
    pub subsets: Vec<Subset>,
    /// The namespaces that this rule is exported to: `.` (this one), `*` (all; the default)
    /// or names.
    pub export_to: Vec<String>,
    /// The pods of this namespace that this rule is for.
    pub workload_selector: Option<NotBuilt>,
}

/// A named subset of a service's endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Subset {
    /// The name that routes refer to.
    pub name: String,
    /// The labels of the pods in the subset. None: all endpoints.
    pub labels: BTreeMap<String, String>,
    /// What differs from the rule's policy, block by block.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How a service's endpoints are used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficPolicy {
    /// How an endpoint is chosen.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When an endpoint that fails is left out.
    pub outlier_detection: Option<NotBuilt>,
    /// TLS towards the endpoints.
    pub tls: Option<ClientTlsSettings>,
    /// Policies of single ports. Each replaces all four blocks above.
    pub port_level_settings: Vec<PortTrafficPolicy>,
    /// Tunnelling of TCP.
    pub tunnel: Option<NotBuilt>,
    /// The PROXY protocol towards the endpoints.
    pub proxy_protocol: Option<NotBuilt>,
    /// The share of requests that may be retries.
    pub retry_budget: Option<NotBuilt>,
}

/// How a service's endpoints are used on one port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PortTrafficPolicy {
    /// The service's port.
    pub port: Option<PortSelector>,
    /// How an endpoint is chosen.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When an endpoint that fails is left out.
    pub outlier_detection: Option<NotBuilt>,
    /// TLS towards the endpoints.
    pub tls: Option<ClientTlsSettings>,
}
