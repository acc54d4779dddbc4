//! A route for TCP.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::destination::Destination;
use crate::{NotBuilt, absent};

/// What is done with connections that match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpRoute {
    /// The conditions: all within an element of the list have to hold, and one element is
    /// enough. None: the route matches every connection.
    #[serde(rename = "match")]
    pub matches: Vec<L4MatchAttributes>,
    /// Where connections are sent.
    pub route: Vec<RouteDestination>,
}

/// A destination and its share of the connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteDestination {
    /// The destination.
    pub destination: Destination,
    /// Its share, relative to the sum of all weights of the route. A single destination gets
    /// every connection, whatever its weight.
    pub weight: u32,
}

/// Conditions on a connection that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct L4MatchAttributes {
    /// Addresses or networks (`10.0.0.0/8`), one of which the connection must be for.
    pub destination_subnets: Vec<String>,
    /// The port of the service or gateway that was called.
    #[serde(deserialize_with = "absent::number")]
    pub port: Option<u16>,
    /// The caller's address. Istio ignores it.
    pub source_subnet: Option<NotBuilt>,
    /// Labels of the caller's pod. Not for gateways.
    pub source_labels: BTreeMap<String, String>,
    /// The gateways that this condition is for. It replaces the `gateways` of the spec.
    pub gateways: Vec<String>,
    /// The namespace of the caller's pod.
    pub source_namespace: String,
}
