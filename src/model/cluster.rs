//! Clusters and their endpoints, as the model gives them to proxies.

use std::{net::IpAddr, sync::Arc};

use super::{
    names::ClusterKey,
    objects::{Key, Labels},
    policy::Policy,
};

/// An outbound cluster: a port of a destination, or a subset of its endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// Its name, `outbound|PORT|SUBSET|HOST`.
    pub name: Arc<str>,
    /// The parts of the name.
    pub key: ClusterKey,
    /// The labels of the subset's endpoints. None: all endpoints.
    pub labels: Labels,
    /// Where endpoints come from.
    pub discovery: Discovery,
    /// What is spoken to them.
    pub protocol: UpstreamProtocol,
    /// How they are used.
    pub policy: Policy,
    /// The destination, for telemetry: the Service's or ServiceEntry's name. A ServiceEntry
    /// goes by its host.
    pub service: Key,
    /// The DestinationRule that the policy or the subset is from.
    pub rule: Option<Key>,
}

/// Where a cluster's endpoints come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Discovery {
    /// The index has them: `Model::endpoints`.
    Endpoints,
    /// The connection's original destination: headless Services, ServiceEntries with the
    /// resolution NONE, and the load balancer PASSTHROUGH.
    OriginalDestination,
    /// DNS answers of these names, all of them. The groups are not empty.
    Dns(Vec<EndpointGroup>),
    /// DNS answers of one name, the first of them at each connection.
    LogicalDns(Vec<EndpointGroup>),
}

/// What is spoken to the endpoints of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1, and bytes.
    Http1,
    /// HTTP/2 without TLS.
    Http2,
    /// The HTTP version that the client speaks, and bytes: for ports that are sniffed.
    Downstream,
    /// Bytes.
    Tcp,
}

/// Endpoints in one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointGroup {
    /// Where they are.
    pub locality: Locality,
    /// The endpoints, in the order of their addresses.
    pub endpoints: Vec<Endpoint>,
}

/// A place; parts that are not known are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locality {
    /// The region.
    pub region: Arc<str>,
    /// The zone.
    pub zone: Arc<str>,
    /// The part of a zone, for ServiceEntries.
    pub sub_zone: Arc<str>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// Its port.
    pub port: u16,
    /// Its share relative to the others, at least 1.
    pub weight: u32,
    /// The pod behind it.
    pub pod: Option<Key>,
    /// Whether it speaks mutual TLS at this port.
    pub mutual_tls: bool,
}

/// The address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// A name for DNS.
    Name(Arc<str>),
}
