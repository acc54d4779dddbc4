//! Pods.

use std::{net::IpAddr, sync::Arc};

use super::{
    captured::Captured,
    mesh_tracing::ProxyTracing,
    meta::{Key, Labels},
};

/// A pod that has an address and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub key: Key,
    /// Its labels.
    pub labels: Labels,
    /// `podIPs`.
    pub ips: Vec<IpAddr>,
    /// Its service account.
    pub service_account: Arc<str>,
    /// The node that it runs on.
    pub node: Option<Arc<str>>,
    /// The TCP ports that its containers declare, in their order. Some have no name.
    pub ports: Vec<ContainerPort>,
    /// Whether it has a proxy, by its own manifest.
    pub has_proxy: bool,
    /// The ports that its proxy captures, if it is a sidecar, by its annotations.
    pub captured: Captured,
    /// What its proxy is.
    pub proxy: ProxyKind,
    /// What its own ProxyConfig says about tracing: the annotation `proxy.istio.io/config`.
    pub tracing: Option<Arc<ProxyTracing>>,
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerPort {
    /// The name; empty for none.
    pub name: Arc<str>,
    /// The number.
    pub port: u16,
}

/// What a pod's proxy is, by the pod's own manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyKind {
    /// It carries the pod's own traffic.
    #[default]
    Sidecar,
    /// It is the pod's application: `istio-ingressgateway` and the like.
    Gateway,
}
