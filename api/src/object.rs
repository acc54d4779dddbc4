//! An object of one of the kinds: its metadata, as far as rules depend on it, and its spec.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::{
    DestinationRuleSpec, GatewaySpec, PeerAuthenticationSpec, ServiceEntrySpec, TelemetrySpec,
    VirtualServiceSpec,
};

/// Which of the kinds an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Routes of requests and connections.
    VirtualService,
    /// Subsets, load balancing and limits of a service.
    DestinationRule,
    /// Ports and hosts that a gateway listens on.
    Gateway,
    /// A service that Kubernetes does not know.
    ServiceEntry,
    /// What proxies report of requests.
    Telemetry,
    /// Whether pods take mutual TLS, plain text, or both.
    PeerAuthentication,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::VirtualService,
        Self::DestinationRule,
        Self::Gateway,
        Self::ServiceEntry,
        Self::Telemetry,
        Self::PeerAuthentication,
    ];

    /// The kind of that name, or none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As in an object's `kind`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VirtualService => "VirtualService",
            Self::DestinationRule => "DestinationRule",
            Self::Gateway => "Gateway",
            Self::ServiceEntry => "ServiceEntry",
            Self::Telemetry => "Telemetry",
            Self::PeerAuthentication => "PeerAuthentication",
        }
    }

    /// As in a URL of the API server.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::VirtualService => "virtualservices",
            Self::DestinationRule => "destinationrules",
            Self::Gateway => "gateways",
            Self::ServiceEntry => "serviceentries",
            Self::Telemetry => "telemetries",
            Self::PeerAuthentication => "peerauthentications",
        }
    }

    /// Its API group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::VirtualService | Self::DestinationRule | Self::Gateway | Self::ServiceEntry => {
                "networking.istio.io"
            }
            Self::Telemetry => "telemetry.istio.io",
            Self::PeerAuthentication => "security.istio.io",
        }
    }

    /// The versions served: the first is the one stored. Their fields are the same.
    pub const fn versions(self) -> &'static [&'static str] {
        match self {
            Self::VirtualService | Self::DestinationRule | Self::Gateway | Self::ServiceEntry => {
                &["v1", "v1beta1", "v1alpha3"]
            }
            Self::Telemetry => &["v1", "v1alpha1"],
            Self::PeerAuthentication => &["v1", "v1beta1"],
        }
    }
}

/// The part of an object's metadata that rules and their reports depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The object's name.
    pub name: String,
    /// Its namespace; empty in a file that does not say it.
    pub namespace: String,
    /// When it was created, which decides between objects for the same host. The API server
    /// has a resolution of a second. None in a file.
    pub creation_timestamp: Option<Timestamp>,
    /// The generation of its spec, which a status refers to. 0 in a file.
    pub generation: i64,
    /// Its unique identifier, which an Event refers to. Empty in a file.
    pub uid: String,
    /// The version that the API server gave to this state of the object. Empty in a file.
    pub resource_version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// An object with the spec `S`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<S> {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its spec, valid.
    pub spec: S,
}

/// An object of any of the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyObject {
    /// A `VirtualService`.
    VirtualService(Object<VirtualServiceSpec>),
    /// A `DestinationRule`.
    DestinationRule(Object<DestinationRuleSpec>),
    /// A `Gateway`.
    Gateway(Object<GatewaySpec>),
    /// A `ServiceEntry`.
    ServiceEntry(Object<ServiceEntrySpec>),
    /// A `Telemetry`.
    Telemetry(Object<TelemetrySpec>),
    /// A `PeerAuthentication`.
    PeerAuthentication(Object<PeerAuthenticationSpec>),
}

impl AnyObject {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::VirtualService(_) => Kind::VirtualService,
            Self::DestinationRule(_) => Kind::DestinationRule,
            Self::Gateway(_) => Kind::Gateway,
            Self::ServiceEntry(_) => Kind::ServiceEntry,
            Self::Telemetry(_) => Kind::Telemetry,
            Self::PeerAuthentication(_) => Kind::PeerAuthentication,
        }
    }

    /// Its metadata.
    pub const fn metadata(&self) -> &Metadata {
        match self {
            Self::VirtualService(object) => &object.metadata,
            Self::DestinationRule(object) => &object.metadata,
            Self::Gateway(object) => &object.metadata,
            Self::ServiceEntry(object) => &object.metadata,
            Self::Telemetry(object) => &object.metadata,
            Self::PeerAuthentication(object) => &object.metadata,
        }
    }
}
