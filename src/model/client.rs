//! Proxies, as the model knows them.

use std::{net::IpAddr, sync::Arc};

use super::objects::{Key, Labels, Pod, ProxyKind, ProxyTracing};

/// A proxy: what its pod is, by the index, whatever the proxy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The pod.
    pub pod: Key,
    /// The pod's labels.
    pub labels: Labels,
    /// The pod's addresses.
    pub ips: Vec<IpAddr>,
    /// What the proxy is.
    pub kind: ProxyKind,
    /// What the pod says about tracing.
    pub tracing: Option<Arc<ProxyTracing>>,
}

impl Client {
    /// The proxy of a pod.
    pub fn of(pod: &Pod) -> Self {
        Self {
            pod: pod.key.clone(),
            labels: pod.labels.clone(),
            ips: pod.ips.clone(),
            kind: pod.proxy,
            tracing: pod.tracing.clone(),
        }
    }

    /// The pod's namespace.
    pub fn namespace(&self) -> &Arc<str> {
        &self.pod.namespace
    }

    /// Whether the pod has only IPv6 addresses.
    pub fn is_ipv6_only(&self) -> bool {
        !self.ips.is_empty() && self.ips.iter().all(IpAddr::is_ipv6)
    }
}
