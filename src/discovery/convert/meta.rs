//! Names, ages and labels.

use k8s_openapi::api::core::v1;
use kube::{
    Resource, ResourceExt,
    core::{PartialObjectMeta, metadata::ObjectMeta},
};

use crate::model::{Key, Labels, Meta, Namespace, Node};

const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";

/// The namespace and name of an object.
pub(in crate::discovery) fn key(object: &impl Resource) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// The name and age of an object.
pub(super) fn meta(object: &impl Resource) -> Meta {
    Meta {
        key: key(object),
        created: created(object.meta()),
    }
}

/// `creationTimestamp` in seconds since 1970.
fn created(meta: &ObjectMeta) -> i64 {
    let created = meta.creation_timestamp.as_ref();
    created.map_or(0, |time| time.0.as_second())
}

/// The labels of an object.
pub(super) fn labels(meta: &ObjectMeta) -> Labels {
    meta.labels
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A namespace.
pub(in crate::discovery) fn namespace(object: &PartialObjectMeta<v1::Namespace>) -> Namespace {
    Namespace {
        name: object.name_any().into(),
        labels: labels(&object.metadata),
    }
}

/// A node.
pub(in crate::discovery) fn node(object: &PartialObjectMeta<v1::Node>) -> Node {
    let label = |name| {
        let labels = object.metadata.labels.as_ref();
        let value = labels.and_then(|labels| labels.get(name));
        value.map(String::as_str).unwrap_or_default().into()
    };
    Node {
        name: object.name_any().into(),
        region: label(REGION),
        zone: label(ZONE),
    }
}
