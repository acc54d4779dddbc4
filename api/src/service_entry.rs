//! `ServiceEntry`: a service that Kubernetes does not know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{NotBuilt, absent};

/// The spec of a `ServiceEntry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceEntrySpec {
    /// The service's DNS names.
    pub hosts: Vec<String>,
    /// Its virtual addresses.
    pub addresses: Vec<String>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Whether it is part of the mesh. Default: `MESH_EXTERNAL`.
    pub location: Location,
    /// How its endpoints' addresses are found. Default: `NONE`.
    pub resolution: Resolution,
    /// Its endpoints.
    pub endpoints: Vec<WorkloadEntry>,
    /// The pods and WorkloadEntries of this namespace that are its endpoints.
    pub workload_selector: Option<NotBuilt>,
    /// The namespaces that it is exported to: `.` (this one), `*` (all; the default) or names.
    pub export_to: Vec<String>,
    /// The names that its certificates may be for.
    pub subject_alt_names: Option<NotBuilt>,
}

/// A port of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// The port's number.
    pub number: u16,
    /// `HTTP`, `HTTP2`, `GRPC`, `HTTPS`, `TLS`, `TCP` and so on. Default: it is detected.
    pub protocol: String,
    /// A name for the port, which endpoints refer to.
    pub name: String,
    /// The endpoints' port. Default: `number`.
    #[serde(deserialize_with = "absent::number")]
    pub target_port: Option<u16>,
}

/// Whether the service is part of the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// It is not.
    #[default]
    MeshExternal,
    /// It is.
    MeshInternal,
}

/// How the endpoints' addresses are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// The address that the client called is used.
    #[default]
    None,
    /// Those of `endpoints`.
    Static,
    /// By DNS, from the names of `endpoints` or else of `hosts`.
    Dns,
    /// By DNS, one address at a time.
    DnsRoundRobin,
    /// DNS lookups of each name that matches a wildcard host.
    DynamicDns,
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadEntry {
    /// Its address: an IP, or a DNS name where `resolution` is `DNS`.
    pub address: String,
    /// Its ports by the names of the service's ports. Default: `targetPort`, or else `number`.
    pub ports: BTreeMap<String, u16>,
    /// Its labels, for subsets.
    pub labels: BTreeMap<String, String>,
    /// Its network.
    pub network: Option<NotBuilt>,
    /// Its locality: `region/zone/subzone`.
    pub locality: String,
    /// Its share of the traffic. 0 or unset: 1.
    pub weight: u32,
    /// The account in its certificates.
    pub service_account: Option<NotBuilt>,
}
