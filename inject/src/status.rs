//! The annotation `sidecar.istio.io/status`: what an injection added.

use std::collections::HashSet;

use json_patch::Patch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{draft::Draft, pod};

/// The annotation's value. Istio's keys in Istio's order, where a list that is
/// empty is null, and then ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub init_containers: Option<Vec<String>>,
    pub containers: Option<Vec<String>>,
    pub volumes: Option<Vec<String>>,
    pub image_pull_secrets: Option<Vec<String>>,
    #[serde(default)]
    pub revision: String,
    /// Labels that the pod did not have. Istio does not record them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Annotations that the pod did not have, but for the status itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Vec<String>>,
    /// What is left to do when all that has a name has been taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Patch>,
}

impl Status {
    /// What a rendered template adds to a pod.
    pub fn new(template: &Draft, pod: &Value, revision: &str) -> Self {
        let spec = &template.rest["spec"];
        Self {
            init_containers: listed(names(&template.init_containers)),
            containers: listed(names(&template.containers)),
            volumes: listed(added(spec, pod, "volumes")),
            image_pull_secrets: listed(added(spec, pod, "imagePullSecrets")),
            revision: revision.to_owned(),
            ..Self::default()
        }
    }

    /// The containers that the injection added or put elsewhere.
    pub fn names_of_containers(&self) -> impl Iterator<Item = &str> {
        [&self.init_containers, &self.containers]
            .into_iter()
            .flatten()
            .flatten()
            .map(String::as_str)
    }

    /// Whether it is Istio's and not ours.
    pub fn is_istios(&self) -> bool {
        self.labels.is_none() && self.annotations.is_none()
    }
}

fn names(items: &[Value]) -> Vec<String> {
    items
        .iter()
        .map(|item| pod::name(item).to_owned())
        .collect()
}

/// What the user's pod does not have under that name.
fn added(template: &Value, pod: &Value, key: &str) -> Vec<String> {
    let had: HashSet<&str> = pod::array(&pod["spec"][key])
        .iter()
        .map(pod::name)
        .collect();
    pod::array(&template[key])
        .iter()
        .map(pod::name)
        .filter(|name| !had.contains(name))
        .map(str::to_owned)
        .collect()
}

fn listed(names: Vec<String>) -> Option<Vec<String>> {
    (!names.is_empty()).then_some(names)
}
