//! What happens to the objects of the cluster, and what follows for proxies.

use std::{collections::BTreeSet, sync::Arc};

use pillion_api::{
    DestinationRuleSpec, GatewaySpec, PeerAuthenticationSpec, ServiceEntrySpec, TelemetrySpec,
    VirtualServiceSpec,
};

use super::objects::{EndpointSlice, Key, MeshConfig, Namespace, Node, Object, Pod, Service};

/// A change of one object. The order of events of different objects does not matter.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "each is taken in at once, and none is kept"
)]
pub enum Event {
    /// A Service.
    Service(Change<Service>),
    /// An EndpointSlice.
    Endpoints(Change<EndpointSlice>),
    /// A pod. One that has ended is deleted, whether its object is still there or not.
    Pod(Change<Pod>),
    /// A namespace.
    Namespace(Change<Namespace>),
    /// A node.
    Node(Change<Node>),
    /// A VirtualService.
    VirtualService(Change<Object<VirtualServiceSpec>>),
    /// A DestinationRule.
    DestinationRule(Change<Object<DestinationRuleSpec>>),
    /// A Gateway.
    Gateway(Change<Object<GatewaySpec>>),
    /// A ServiceEntry.
    ServiceEntry(Change<Object<ServiceEntrySpec>>),
    /// A Telemetry.
    Telemetry(Change<Object<TelemetrySpec>>),
    /// A PeerAuthentication.
    PeerAuthentication(Change<Object<PeerAuthenticationSpec>>),
    /// The mesh's configuration.
    Mesh(MeshConfig),
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<T> {
    /// It is new, or replaces the one of the same name.
    Apply(T),
    /// It is gone. One that was never there is no error.
    Delete(Key),
}

/// What may have changed for proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Dirty {
    /// Anything, of any client: listeners, routes, clusters, and endpoints as well. Such
    /// changes may wait for others.
    pub rules: bool,
    /// The hosts whose clusters have other endpoints. Such changes go out at once.
    pub endpoints: BTreeSet<Arc<str>>,
    /// The pods that came, went, or are other clients than before.
    pub clients: BTreeSet<Key>,
}

impl Dirty {
    /// Everything may have changed.
    pub fn rules() -> Self {
        Self {
            rules: true,
            ..Self::default()
        }
    }

    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another event changed.
    pub fn merge(&mut self, other: Self) {
        self.rules |= other.rules;
        self.endpoints.extend(other.endpoints);
        self.clients.extend(other.clients);
    }
}
