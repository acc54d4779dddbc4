//! What a valid object asks for and does not get, because of others.

use std::fmt;

use super::objects::Key;

/// Something to tell the owner of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The object.
    pub object: ObjectRef,
    /// What kind of problem it is.
    pub problem: Problem,
    /// What is the matter, with the other objects' names.
    pub message: String,
}

impl Finding {
    /// What to tell the owner of an object.
    pub(super) fn new(kind: Kind, key: &Key, problem: Problem, message: String) -> Self {
        let key = key.clone();
        Self {
            object: ObjectRef { kind, key },
            problem,
            message,
        }
    }
}

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Problem {
    /// A Gateway that a rule names is not in force.
    MissingGateway,
    /// A destination's host does not exist.
    MissingHost,
    /// A destination has no such port.
    MissingPort,
    /// A destination has no such subset.
    MissingSubset,
    /// Another VirtualService has the rules for the host.
    HostTaken,
    /// Another DestinationRule has the subset.
    SubsetTaken,
    /// Another DestinationRule has the policy for the host.
    PolicyTaken,
    /// Another Gateway uses the port for something else.
    GatewayPortTaken,
    /// Another destination uses the port, or the proxy does.
    PortTaken,
    /// A Gateway's selector matches no gateway pod that has an address.
    NoGatewayPod,
    /// The proxy uses a Gateway's port itself.
    GatewayPortOwn,
    /// No Service of a Gateway's pods has the port.
    GatewayPortWithoutService,
    /// A Gateway that a rule names admits none of its hosts.
    HostNotInGateway,
    /// The host of a DestinationRule does not exist.
    UnknownRuleHost,
    /// No endpoint of a host has the labels of a subset.
    EmptySubset,
    /// At a gateway, another VirtualService routes all that this one does.
    Shadowed,
    /// A provider that a Telemetry names is none of the mesh's, or not built.
    MissingProvider,
    /// The Service of a provider does not exist.
    MissingCollector,
    /// The port of a provider's Service speaks something else.
    CollectorProtocol,
    /// Another object of the kind holds for the namespace.
    NamespaceTaken,
    /// Another object of the kind holds for pods.
    PodsTaken,
    /// A selector selects no pod.
    NoPods,
    /// A PeerAuthentication is for a port on which no pod seems to listen.
    UnknownPodPort,
    /// A PeerAuthentication guards pods that have no proxy.
    StrictWithoutProxy,
    /// A PeerAuthentication has pods refuse what clients send them, because these don't know that they
    /// take mutual TLS.
    StrictWithoutLabel,
    /// A PeerAuthentication or DestinationRule asks for mutual TLS, which is off.
    MutualTlsOff,
    /// A DestinationRule has clients speak mutual TLS to pods that don't take it.
    MutualTlsNotTaken,
    /// A DestinationRule has clients speak what servers refuse.
    RefusedByServer,
    /// With others, there is too much for proxies or this service.
    LeftOut,
}

/// An object of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub key: Key,
}

/// The kinds that findings are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Kubernetes' Service.
    Service,
    /// Istio's VirtualService.
    VirtualService,
    /// Istio's DestinationRule.
    DestinationRule,
    /// Istio's Gateway.
    Gateway,
    /// Istio's ServiceEntry.
    ServiceEntry,
    /// Istio's Telemetry.
    Telemetry,
    /// Istio's PeerAuthentication.
    PeerAuthentication,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "Service",
            Self::VirtualService => "VirtualService",
            Self::DestinationRule => "DestinationRule",
            Self::Gateway => "Gateway",
            Self::ServiceEntry => "ServiceEntry",
            Self::Telemetry => "Telemetry",
            Self::PeerAuthentication => "PeerAuthentication",
        })
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}
