//! Who the proxy says it is, when it asks for its configuration.
//!
//! The server derives what a proxy gets from its token; this is for its logs, and for
//! Istio's own control plane.

use std::collections::BTreeMap;

use pillion_envoy_api::envoy::config::core::v3::{Node as NodeMessage, node::UserAgentVersionType};
use prost_types::{ListValue, Struct, value::Kind};
use serde_json::{Map, Value};

use crate::kind;

/// Envoy's node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// `sidecar~IP~POD.NAMESPACE~DOMAIN`.
    pub id: String,
    /// The service that the workload is part of.
    pub cluster: String,
    pub metadata: Map<String, Value>,
}

/// Variables that are metadata by their prefix, as in Istio.
const META: &str = "ISTIO_META_";
/// The same, whose values are JSON.
const META_JSON: &str = "ISTIO_METAJSON_";
/// More metadata than that is nobody's, and would fill the first message of each connection.
const MAX_BYTES: usize = 64 * 1024;

impl Node {
    /// Reads the environment of the proxy's container. `labels` are the pod's, and `domain` is
    /// that of its services (default: `NAMESPACE.svc.cluster.local`). Also says what is left out.
    pub fn new(
        kind: kind::Kind,
        environment: &BTreeMap<String, String>,
        labels: &BTreeMap<String, String>,
        domain: &str,
    ) -> (Self, Vec<String>) {
        let variable = |name: &str| environment.get(name).map_or("", String::as_str);
        let (name, namespace) = (variable("POD_NAME"), variable("POD_NAMESPACE"));
        let address = match variable("INSTANCE_IP") {
            "" => "127.0.0.1",
            address => address,
        };
        let domain = match domain {
            "" => format!("{namespace}.svc.cluster.local"),
            domain => domain.to_owned(),
        };
        let kind = match kind {
            kind::Kind::Sidecar => "sidecar",
            kind::Kind::Gateway => "router",
        };
        let mut metadata = Metadata::default();
        metadata.add("INSTANCE_IPS", Value::from(address));
        metadata.add("NAME", Value::from(name));
        metadata.add("NAMESPACE", Value::from(namespace));
        metadata.add("SERVICE_ACCOUNT", Value::from(variable("SERVICE_ACCOUNT")));
        let labels = labels
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        metadata.add("LABELS", Value::Object(labels.collect()));
        metadata.add_variables(environment);
        let app = environment
            .get("CANONICAL_SERVICE")
            .map_or("", String::as_str);
        let workload = variable("ISTIO_META_WORKLOAD_NAME");
        let service = if app.is_empty() { workload } else { app };
        let node = Self {
            id: format!("{kind}~{address}~{name}.{namespace}~{domain}"),
            cluster: format!("{service}.{namespace}"),
            metadata: metadata.values,
        };
        (node, metadata.remarks)
    }
}

impl Node {
    /// As it is sent.
    pub fn to_message(&self) -> NodeMessage {
        let version = UserAgentVersionType::UserAgentVersion(env!("CARGO_PKG_VERSION").to_owned());
        NodeMessage {
            id: self.id.clone(),
            cluster: self.cluster.clone(),
            metadata: Some(structure(&self.metadata)),
            user_agent_name: "pillion-proxy".to_owned(),
            user_agent_version_type: Some(version),
            ..NodeMessage::default()
        }
    }
}

fn structure(fields: &Map<String, Value>) -> Struct {
    let fields = fields
        .iter()
        .map(|(name, value)| (name.clone(), protobuf(value)));
    Struct {
        fields: fields.collect(),
    }
}

fn protobuf(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(protobuf).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(structure(fields)),
    };
    prost_types::Value { kind: Some(kind) }
}

#[derive(Default)]
struct Metadata {
    values: Map<String, Value>,
    bytes: usize,
    remarks: Vec<String>,
}

impl Metadata {
    fn add(&mut self, name: &str, value: Value) {
        self.bytes += name.len() + value.to_string().len();
        if self.bytes > MAX_BYTES {
            let remark = format!(
                "the node's metadata has more than {MAX_BYTES} bytes; {name} is left out of it"
            );
            self.remarks.push(remark);
            return;
        }
        self.values.insert(name.to_owned(), value);
    }

    fn add_variables(&mut self, environment: &BTreeMap<String, String>) {
        for (variable, text) in environment {
            if let Some(name) = variable.strip_prefix(META) {
                self.add(name, Value::from(text.as_str()));
            } else if let Some(name) = variable.strip_prefix(META_JSON) {
                match serde_json::from_str(text) {
                    Ok(value) => self.add(name, value),
                    Err(error) => self.remarks.push(format!(
                        "{variable} is not JSON ({error}); it is left out of the node's metadata"
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::Kind;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.collect()
    }

    #[test]
    fn has_istio_s_id_and_metadata() {
        let environment = map(&[
            ("INSTANCE_IP", "10.0.0.5"),
            ("POD_NAME", "web-1"),
            ("POD_NAMESPACE", "shop"),
            ("SERVICE_ACCOUNT", "web"),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
            ("ISTIO_META_WORKLOAD_NAME", "web"),
            ("ISTIO_METAJSON_EXTRA", r#"{"a": 1}"#),
            ("PATH", "/bin"),
        ]);
        let (node, remarks) = Node::new(Kind::Sidecar, &environment, &map(&[("app", "web")]), "");
        assert_eq!(remarks, [""; 0]);
        assert_eq!(
            node.id,
            "sidecar~10.0.0.5~web-1.shop~shop.svc.cluster.local"
        );
        assert_eq!(node.cluster, "web.shop");
        let expected = json!({
            "CLUSTER_ID": "Kubernetes", "EXTRA": {"a": 1}, "INSTANCE_IPS": "10.0.0.5",
            "LABELS": {"app": "web"}, "NAME": "web-1", "NAMESPACE": "shop",
            "SERVICE_ACCOUNT": "web", "WORKLOAD_NAME": "web",
        });
        assert_eq!(Value::Object(node.metadata), expected);
        let (node, _) = Node::new(Kind::Gateway, &environment, &map(&[]), "shop.svc.example");
        assert_eq!(node.id, "router~10.0.0.5~web-1.shop~shop.svc.example");
    }

    #[test]
    fn leaves_out_what_can_not_be_sent() {
        let large = "x".repeat(MAX_BYTES);
        let environment = map(&[("ISTIO_META_LARGE", &large), ("ISTIO_METAJSON_BAD", "{")]);
        let (node, remarks) = Node::new(Kind::Sidecar, &environment, &map(&[]), "");
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(!node.metadata.contains_key("LARGE") && !node.metadata.contains_key("BAD"));
    }
}
