//! What the server has sent, in the shape of Envoy's `/config_dump`.

use pillion_envoy_api::{to_json, type_url};
use serde_json::{Map, Value, json};

use super::{
    node::Node,
    store::{Held, Refusal},
};
use crate::timestamp::timestamp;

/// All resources at one time. It is cheap to make; turning it into JSON is not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dump {
    pub node: Option<Node>,
    pub listeners: Vec<Held>,
    pub clusters: Vec<Held>,
    pub route_configurations: Vec<Held>,
    pub load_assignments: Vec<Held>,
}

const ADMIN: &str = "type.googleapis.com/envoy.admin.v3.";

impl Dump {
    /// As Envoy's JSON. Endpoints are left out unless they are asked for, as in Envoy.
    pub fn to_json(&self, with_endpoints: bool) -> Value {
        let mut configs = vec![self.bootstrap()];
        configs.push(json!({
            "@type": format!("{ADMIN}ClustersConfigDump"),
            "dynamic_active_clusters": all(&self.clusters, type_url::CLUSTER, "cluster"),
        }));
        let listeners: Vec<_> = self.listeners.iter().map(listener).collect();
        configs.push(json!({
            "@type": format!("{ADMIN}ListenersConfigDump"),
            "dynamic_listeners": listeners,
        }));
        configs.push(json!({
            "@type": format!("{ADMIN}RoutesConfigDump"),
            "dynamic_route_configs":
                all(&self.route_configurations, type_url::ROUTE_CONFIGURATION, "route_config"),
        }));
        if with_endpoints {
            configs.push(json!({
                "@type": format!("{ADMIN}EndpointsConfigDump"),
                "dynamic_endpoint_configs":
                    all(&self.load_assignments, type_url::CLUSTER_LOAD_ASSIGNMENT, "endpoint_config"),
            }));
        }
        json!({ "configs": configs })
    }

    fn bootstrap(&self) -> Value {
        let node = self
            .node
            .as_ref()
            .map(|node| json!({"id": node.id, "cluster": node.cluster, "metadata": node.metadata}));
        json!({
            "@type": format!("{ADMIN}BootstrapConfigDump"),
            "bootstrap": {"node": node.unwrap_or_else(|| json!({}))},
        })
    }
}

fn all(entries: &[Held], type_url: &str, field: &str) -> Vec<Value> {
    let entries = entries.iter();
    entries.map(|held| dynamic(held, type_url, field)).collect()
}

/// Envoy's `DynamicCluster` and its like.
fn dynamic(held: &Held, type_url: &str, field: &str) -> Value {
    let mut fields = state(held, type_url, field);
    if held.is_waiting {
        fields.insert("warming".to_owned(), json!(true));
    }
    if let Some(refusal) = &held.refusal {
        fields.insert("error_state".to_owned(), failure(refusal));
    }
    Value::Object(fields)
}

/// Envoy's `DynamicListener`, which has its name and its states one level above.
fn listener(held: &Held) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(*held.name));
    let state = state(held, type_url::LISTENER, "listener");
    if !state.is_empty() {
        let field = if held.is_waiting {
            "warming_state"
        } else {
            "active_state"
        };
        fields.insert(field.to_owned(), Value::Object(state));
    }
    if let Some(refusal) = &held.refusal {
        fields.insert("error_state".to_owned(), failure(refusal));
    }
    Value::Object(fields)
}

fn state(held: &Held, type_url: &str, field: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    let Some(record) = &held.record else {
        return fields;
    };
    let mut resource = to_json(type_url, &record.body.value)
        .unwrap_or_else(|error| json!({"name": *held.name, "error": error.to_string()}));
    if let Some(resource) = resource.as_object_mut() {
        resource.insert("@type".to_owned(), json!(type_url));
    }
    fields.insert("version_info".to_owned(), json!(*record.version));
    fields.insert(field.to_owned(), resource);
    fields.insert(
        "last_updated".to_owned(),
        json!(timestamp(record.updated.into())),
    );
    fields
}

/// Envoy's `UpdateFailureState`.
fn failure(refusal: &Refusal) -> Value {
    json!({
        "last_update_attempt": timestamp(refusal.at.into()),
        "details": *refusal.reason,
        "version_info": *refusal.version,
    })
}
