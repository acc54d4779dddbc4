//! The proxy's environment variables.

use serde_json::{Value, json};

use crate::pod;

/// The app's own probes, by their paths on the status port.
pub(crate) const APP_PROBERS: &str = "ISTIO_KUBE_APP_PROBERS";
/// The app's own scrape annotations.
pub(crate) const PROMETHEUS_ANNOTATIONS: &str = "ISTIO_PROMETHEUS_ANNOTATIONS";
/// The ports of the pod's containers.
pub(crate) const POD_PORTS: &str = "ISTIO_META_POD_PORTS";
/// The network that the pod is in.
pub(crate) const NETWORK: &str = "ISTIO_META_NETWORK";
/// The cluster that the pod is in.
pub(crate) const CLUSTER_ID: &str = "ISTIO_META_CLUSTER_ID";
/// The name of the pod's workload.
pub(crate) const WORKLOAD_NAME: &str = "ISTIO_META_WORKLOAD_NAME";
/// The proxy's own configuration.
pub(crate) const PROXY_CONFIG: &str = "PROXY_CONFIG";

/// Sets an environment variable of a container, over one of the same name.
pub(crate) fn set(container: &mut Value, name: &str, value: &str) {
    let variable = json!({"name": name, "value": value});
    match &mut container["env"] {
        Value::Array(env) => match env.iter_mut().find(|item| pod::name(item) == name) {
            Some(item) => *item = variable,
            None => env.push(variable),
        },
        env => *env = Value::Array(vec![variable]),
    }
}
