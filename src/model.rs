//! Services, endpoints and rules as the mesh sees them: an index that is fed by events,
//! and the decisions that follow from it.
//!
//! It is pure: no clock, no I/O, no protobuf and no Kubernetes client. What a proxy gets
//! depends on its [`Client`] and the index alone, so equal indexes give equal answers,
//! in whichever order the events came.
//!
//! The objects must be valid: parsed and validated by `pillion_api`. What is valid and
//! still can't be done, because of another object, is a [`Finding`].

mod authentication;
mod build;
mod client;
mod cluster;
mod endpoints;
mod event;
mod finding;
mod hosts;
mod index;
mod names;
mod objects;
mod policy;
mod protocol;
mod routes;
mod rules;
mod state;
mod tables;
mod tracing;
mod transport;
mod world;

pub use self::tracing::{Collector, Tracer, Tracing};
pub use authentication::Effective;
pub use build::StrictHosts;
pub use client::Client;
pub use cluster::{
    Address, Cluster, Discovery, Endpoint, EndpointGroup, Locality, UpstreamProtocol,
};
pub use event::{Change, Dirty, Event};
pub use finding::{Finding, Kind, ObjectRef, Problem};
pub use names::{
    BLACK_HOLE_CLUSTER, ClusterKey, INBOUND_PASSTHROUGH_CLUSTER, MESH_GATEWAY, PASSTHROUGH_CLUSTER,
    inbound_name,
};
pub use objects::{
    Captured, CollectorProtocol, ContainerPort, DefaultExports, Delivery, EndpointSlice, ExportTo,
    Key, Labels, MeshConfig, MeshTracing, Meta, Namespace, Node, Object, OpenTelemetry,
    OutboundPolicy, Pod, Provider, ProxyCollector, ProxyKind, ProxyTracing, Service,
    ServiceAddress, ServicePort, SliceEndpoint, SlicePort, Tags, TargetPort, TracingProvider,
    Zipkin, is_export,
};
pub use policy::{CertificateFiles, ClientTls, ConnectionPool, LoadBalancer, Policy};
pub use protocol::Protocol;
pub use routes::{
    Action, Decision, DirectResponse, Fallback, Forward, HeaderOperation, HeaderOperations,
    PathMatch, PathRewrite, Redirect, RedirectPort, RequestFacts, Retries, Route, RouteMatch,
    RouteTable, Routes, RuleRef, TextMatch, ValueMatch, VirtualHost, WeightedCluster,
};
pub use rules::MtlsMode;
pub use state::Model;
pub use tables::{
    Cidr, Clusters, GatewayListener, GatewayProtocol, GatewayTables, Inbound, InboundPort,
    Listener, ListenerProtocol, Outbound, RouteTables, TcpCluster, TcpRoute,
};
pub use transport::{Outside, OutsideProof, PeerName, Servers, Transport};

#[cfg(test)]
mod tests;
