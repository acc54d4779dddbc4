//! Services of Kubernetes.

use std::{net::IpAddr, sync::Arc};

use super::meta::{ExportTo, Labels, Meta};

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name and age.
    pub meta: Meta,
    /// `clusterIPs`. Empty for a headless Service and for an ExternalName.
    pub addresses: Vec<IpAddr>,
    /// Whether `clusterIP` is `None`.
    pub headless: bool,
    /// `selector`. Without one, others write the Service's EndpointSlices.
    pub selector: Option<Labels>,
    /// `ports`; those that are not TCP, too, so that names are found.
    pub ports: Vec<ServicePort>,
    /// The target of an ExternalName.
    pub external_name: Option<Arc<str>>,
    /// `publishNotReadyAddresses`: pods that are not ready get traffic as well.
    pub publish_not_ready: bool,
    /// Whose clients see it, if it says so itself; else [`MeshConfig`](super::MeshConfig) does.
    pub export_to: Option<ExportTo>,
}

impl Service {
    /// Whose clients see it, where these entries hold for Services that don't say it.
    pub fn exported_to(&self, default: &[Arc<str>]) -> ExportTo {
        let namespace = &self.meta.key.namespace;
        let own = self.export_to.clone();
        own.unwrap_or_else(|| ExportTo::of(&[], default, namespace))
    }
}

/// A port for TCP of a Service. Those for other protocols bypass the mesh, which does not know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The name, which may be empty where there is one port.
    pub name: Arc<str>,
    /// The Service's port.
    pub port: u16,
    /// The pods' port.
    pub target: TargetPort,
    /// `appProtocol`.
    pub app_protocol: Option<Arc<str>>,
}

/// A port of the pods: by number, or by the name of a container's port, which may have
/// another number in each pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The number. A Service that gives no `targetPort` has its own port here.
    Number(u16),
    /// The name of a port of a container.
    Name(Arc<str>),
}
