//! The annotation `proxy.istio.io/overrides`: the user's own parts of the injected
//! containers, as the user wrote them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The annotation's value: the parts by the list that the user had them in.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_containers: Option<Vec<Value>>,
}

impl Overrides {
    /// Whether the user had no part in any injected container.
    pub fn is_empty(&self) -> bool {
        self.containers.is_none() && self.init_containers.is_none()
    }
}
