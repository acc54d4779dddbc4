//! The annotation `sidecar.istio.io/status`: what an injection added.

use std::collections::HashSet;

use json_patch::Patch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{annotations::OVERRIDES, draft::Draft, overrides::Overrides, pod};

/// The annotation's value: Istio's keys in Istio's order, where an empty list is
/// null, and then Pillion's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InjectionRecord {
    pub init_containers: Option<Vec<String>>,
    pub containers: Option<Vec<String>>,
    pub volumes: Option<Vec<String>>,
    pub image_pull_secrets: Option<Vec<String>>,
    #[serde(default)]
    pub revision: String,
    /// Labels that the injection added. Istio does not record them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Annotations that the injection added, without the record itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Vec<String>>,
    /// What is left to do once everything with a name has been taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Patch>,
}

impl InjectionRecord {
    /// What a rendered template adds to a pod.
    pub fn new(template: &Draft, pod: &Value, revision: &str) -> Self {
        let spec = &template.rest["spec"];
        Self {
            init_containers: non_empty(names(&template.init_containers)),
            containers: non_empty(names(&template.containers)),
            volumes: non_empty(added(spec, pod, "volumes")),
            image_pull_secrets: non_empty(added(spec, pod, "imagePullSecrets")),
            revision: revision.to_owned(),
            ..Self::default()
        }
    }

    /// The containers that the injection added or put elsewhere.
    pub fn container_names(&self) -> impl Iterator<Item = &str> {
        [&self.init_containers, &self.containers]
            .into_iter()
            .flatten()
            .flatten()
            .map(String::as_str)
    }

    /// Whether Istio wrote it, and not Pillion.
    pub fn is_istios(&self) -> bool {
        self.labels.is_none() && self.annotations.is_none()
    }

    /// The user's own parts of the injected containers, as the injection recorded
    /// them. Pillion records nothing in an annotation that the pod came with.
    pub fn overrides(&self, pod: &Value) -> serde_json::Result<Overrides> {
        let is_recorded = match &self.annotations {
            Some(added) => added.iter().any(|name| name == OVERRIDES),
            None => true,
        };
        pod::annotation(pod, OVERRIDES)
            .filter(|_| is_recorded)
            .map_or_else(|| Ok(Overrides::default()), serde_json::from_str)
    }
}

fn names(items: &[Value]) -> Vec<String> {
    pod::names(items).map(str::to_owned).collect()
}

/// The names that the user's pod does not have in that list.
fn added(template: &Value, pod: &Value, key: &str) -> Vec<String> {
    let had: HashSet<&str> = pod::names(pod::array(&pod["spec"][key])).collect();
    pod::names(pod::array(&template[key]))
        .filter(|name| !had.contains(name))
        .map(str::to_owned)
        .collect()
}

fn non_empty(names: Vec<String>) -> Option<Vec<String>> {
    (!names.is_empty()).then_some(names)
}
