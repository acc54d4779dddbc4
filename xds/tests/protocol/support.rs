//! Resources, snapshots and requests, shortly.

use std::sync::Arc;

use pillion_envoy_api::{
    Any,
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    google::rpc::Status,
    type_url,
};
use pillion_xds::{Resource, Resources, Snapshot, resources};

pub const CLUSTER: &str = type_url::CLUSTER;
pub const ENDPOINTS: &str = type_url::CLUSTER_LOAD_ASSIGNMENT;
pub const LISTENER: &str = type_url::LISTENER;
pub const ROUTES: &str = type_url::ROUTE_CONFIGURATION;

pub fn resource(type_url: &str, name: &str, content: &str) -> Resource {
    let body = Any {
        type_url: type_url.to_owned(),
        value: content.as_bytes().to_vec().into(),
    };
    Resource::new(name, body)
}

/// Resources of a type, by name and content.
pub fn set(type_url: &str, all: &[(&str, &str)]) -> Resources {
    let all = all.iter();
    resources(all.map(|(name, content)| resource(type_url, name, content)))
}

pub fn snapshot(types: &[(&'static str, &[(&str, &str)])]) -> Snapshot {
    types.iter().fold(Snapshot::new(), |snapshot, (url, all)| {
        snapshot.with(url, set(url, all))
    })
}

pub fn names(all: &[&str]) -> Vec<Arc<str>> {
    all.iter().map(|name| Arc::from(*name)).collect()
}

/// A request that subscribes.
pub fn subscribe(type_url: &str, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names_subscribe: names.iter().map(ToString::to_string).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

pub fn unsubscribe(type_url: &str, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names_unsubscribe: names.iter().map(ToString::to_string).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

/// A request that accepts a response.
pub fn ack(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

/// A request that refuses a response.
pub fn nack(response: &DeltaDiscoveryResponse, why: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        error_detail: Some(Status {
            code: 3,
            message: why.to_owned(),
            details: Vec::new(),
        }),
        ..ack(response)
    }
}

/// What a response has: `name=content`, and `-name` for what is removed.
pub fn shown(response: &DeltaDiscoveryResponse) -> Vec<String> {
    let changed = response.resources.iter().map(|one| {
        let body = one.resource.as_ref().unwrap();
        let content = String::from_utf8_lossy(&body.value);
        format!("{}={content}", one.name)
    });
    let removed = response.removed_resources.iter();
    changed
        .chain(removed.map(|name| format!("-{name}")))
        .collect()
}
