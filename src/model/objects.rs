//! The objects of the index: the parts of Kubernetes' objects that the mesh uses, and no
//! others, so that a cluster's worth of them is small.

mod captured;
mod endpoint_slice;
mod mesh_config;
mod mesh_tracing;
mod meta;
mod node;
mod pod;
mod service;

pub use captured::Captured;
pub use endpoint_slice::{EndpointSlice, SliceEndpoint, SlicePort};
pub use mesh_config::{DefaultExports, MeshConfig, OutboundPolicy};
pub use mesh_tracing::{
    CollectorProtocol, Delivery, MeshTracing, OpenTelemetry, Provider, ProxyCollector,
    ProxyTracing, ServiceAddress, Tags, TracingProvider, Zipkin,
};
pub use meta::{ExportTo, Key, Labels, Meta, Object, is_export};
pub use node::{Namespace, Node};
pub use pod::{ContainerPort, Pod, ProxyKind};
pub use service::{Service, ServicePort, TargetPort};
