//! EndpointSlices.

use std::{net::IpAddr, sync::Arc};

use super::meta::Key;

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// The slice's own name.
    pub key: Key,
    /// The name of its Service, which is in its namespace: the label
    /// `kubernetes.io/service-name`.
    pub service: Arc<str>,
    /// The ports; each is that of all endpoints.
    pub ports: Vec<SlicePort>,
    /// The endpoints. None for the address type FQDN.
    pub endpoints: Vec<SliceEndpoint>,
}

/// A port of all endpoints of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the Service's port.
    pub name: Arc<str>,
    /// The pods' port.
    pub port: u16,
}

/// An endpoint of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// The first address; all addresses of one endpoint are said to be interchangeable.
    pub address: IpAddr,
    /// `conditions.ready`, which is true where it is not given.
    pub ready: bool,
    /// `conditions.serving`, which is `ready` where it is not given.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
    /// The pod that `targetRef` names.
    pub pod: Option<Key>,
    /// `nodeName`.
    pub node: Option<Arc<str>>,
    /// `zone`.
    pub zone: Option<Arc<str>>,
}
