//! Pods as they are listed and watched: what is used of them. A pod may have thousands of volumes,
//! which would take a hundred times their text, and a page of a list has many pods.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::Resource;
use serde::{Deserialize, Deserializer};

/// The annotation with the pod's own ProxyConfig.
pub(in crate::discovery) const CONFIG: &str = "proxy.istio.io/config";
/// The longest one that is read, in bytes: those of users have some hundred.
const LONGEST_CONFIG: usize = 16 << 10;
/// The annotation with the inbound ports that are captured.
pub(super) const INCLUDED_PORTS: &str = "traffic.sidecar.istio.io/includeInboundPorts";
/// The annotation with the inbound ports that are not captured.
pub(super) const EXCLUDED_PORTS: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
/// The longest list of ports that is read, in bytes.
const LONGEST_PORTS: usize = 8 << 10;

/// A pod.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::discovery) struct Listed {
    /// What is used of its metadata.
    #[serde(deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// Its spec.
    pub spec: Option<Spec>,
    /// Its status.
    pub status: Option<Status>,
}

/// The spec.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::discovery) struct Spec {
    pub service_account_name: Option<String>,
    pub node_name: Option<String>,
    pub containers: Option<Vec<Container>>,
    pub init_containers: Option<Vec<Container>>,
}

/// A container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::discovery) struct Container {
    pub name: String,
    pub args: Option<Vec<String>>,
    pub ports: Option<Vec<Port>>,
}

/// A container's port.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::discovery) struct Port {
    pub name: Option<String>,
    pub container_port: i32,
    pub protocol: Option<String>,
}

/// The status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::discovery) struct Status {
    pub phase: Option<String>,
    #[serde(rename = "podIPs")]
    pub pod_ips: Option<Vec<Address>>,
}

/// An address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::discovery) struct Address {
    pub ip: String,
}

/// What is used of the metadata: not `managedFields`, of which there may be as much as of the spec.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<Annotations>,
}

/// The annotations that are used.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "proxy.istio.io/config")]
    config: Option<String>,
    #[serde(rename = "traffic.sidecar.istio.io/includeInboundPorts")]
    included_ports: Option<String>,
    #[serde(rename = "traffic.sidecar.istio.io/excludeInboundPorts")]
    excluded_ports: Option<String>,
}

impl Annotations {
    /// Those that are not too long, by their names.
    fn named(self) -> Option<BTreeMap<String, String>> {
        let all = [
            (CONFIG, self.config, LONGEST_CONFIG),
            (INCLUDED_PORTS, self.included_ports, LONGEST_PORTS),
            (EXCLUDED_PORTS, self.excluded_ports, LONGEST_PORTS),
        ];
        let read = all.into_iter().filter_map(|(name, text, longest)| {
            let text = text.filter(|text| text.len() <= longest)?;
            Some((name.to_owned(), text))
        });
        let read: BTreeMap<_, _> = read.collect();
        (!read.is_empty()).then_some(read)
    }
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let metadata = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        creation_timestamp: metadata.creation_timestamp,
        labels: metadata.labels,
        annotations: metadata.annotations.and_then(Annotations::named),
        ..ObjectMeta::default()
    })
}

impl Resource for Listed {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        v1::Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        v1::Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        v1::Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        v1::Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
