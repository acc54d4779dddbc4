//! What the injected proxy holds of the pod before its injection.

use serde_json::{Map, Value};

use crate::pod;

/// A copy of the proxy's container, made before it is removed: its environment holds
/// what the app's probes and scrape annotations were.
pub(super) struct Proxy(Option<Value>);

impl Proxy {
    pub fn of(pod: &Value) -> Self {
        Self(pod::find_container(pod, pod::PROXY).cloned())
    }

    pub fn env(&self, name: &str) -> Option<&str> {
        pod::env(self.0.as_ref()?, name)
    }

    /// A variable that holds a JSON object; empty when it does not.
    pub fn json(&self, name: &str) -> Map<String, Value> {
        self.env(name)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    pub fn is_gateway(&self) -> bool {
        self.0.as_ref().is_some_and(|container| {
            pod::array(&container["args"])
                .iter()
                .any(|arg| arg == "router")
        })
    }
}
