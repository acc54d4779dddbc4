//! Istio's metadata of clusters and filter chains.

use std::sync::Arc;

use pillion_envoy_api::envoy::config::core::v3::Metadata;
use prost_types::{Struct, Value, value::Kind};

use crate::tables::Service;

/// The service that a cluster belongs to: the first one of `services` in the metadata `istio`.
/// It only names series of metrics, so one that can't be read is none.
pub(super) fn service(metadata: Option<&Metadata>) -> Option<Service> {
    let istio = metadata?.filter_metadata.get("istio")?;
    let services = match istio.fields.get("services")?.kind.as_ref()? {
        Kind::ListValue(list) => list.values.first()?,
        _ => return None,
    };
    let fields = match services.kind.as_ref()? {
        Kind::StructValue(fields) => fields,
        _ => return None,
    };
    Some(Service {
        host: text(fields, "host")?,
        name: text(fields, "name")?,
        namespace: text(fields, "namespace")?,
    })
}

/// The object that a filter chain follows from: `config` in the metadata `istio`, as Istio writes it
/// for routes, such as `/apis/security.istio.io/v1/namespaces/shop/peer-authentication/strict`. Only
/// log lines name it, so one that can't be read is none.
pub(super) fn policy(metadata: Option<&Metadata>) -> Option<Arc<str>> {
    text(metadata?.filter_metadata.get("istio")?, "config")
}

/// The longest name of Kubernetes.
const MAX_TEXT: usize = 253;

fn text(fields: &Struct, name: &str) -> Option<Arc<str>> {
    match fields.fields.get(name) {
        Some(Value {
            kind: Some(Kind::StringValue(text)),
        }) if text.len() <= MAX_TEXT => Some(Arc::from(text.as_str())),
        _ => None,
    }
}
