//! The objects that hold a pod template.

use serde_json::Value;

use crate::inject;

/// Where an object keeps its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PodPath {
    /// The object is a pod.
    Itself,
    /// `spec.template`.
    Template,
    /// `spec.jobTemplate.spec.template`.
    JobTemplate,
}

impl PodPath {
    /// `None` for objects that make no pods.
    pub fn of(object: &Value) -> Option<Self> {
        let api_version = object["apiVersion"].as_str()?;
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        match (group, object["kind"].as_str()?) {
            ("", "Pod") => Some(Self::Itself),
            ("", "ReplicationController")
            | ("apps" | "extensions", "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet")
            | ("batch", "Job") => Some(Self::Template),
            ("batch", "CronJob") => Some(Self::JobTemplate),
            _ => None,
        }
    }

    fn pointer(self) -> &'static str {
        match self {
            Self::Itself => "",
            Self::Template => "/spec/template",
            Self::JobTemplate => "/spec/jobTemplate/spec/template",
        }
    }

    /// The pod, or the template of one.
    pub fn pod(self, object: &Value) -> Option<&Value> {
        object.pointer(self.pointer())
    }

    /// The pod, or the template of one.
    pub fn pod_mut(self, object: &mut Value) -> Option<&mut Value> {
        object.pointer_mut(self.pointer())
    }
}

/// The items of a List, of whatever kind; `None` for anything else.
pub(super) fn items_mut(object: &mut Value) -> Option<&mut Vec<Value>> {
    let is_list = object["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"));
    if is_list {
        object["items"].as_array_mut()
    } else {
        None
    }
}

/// The workload behind the pods of an object; a pod stands for itself.
pub(super) fn workload(path: PodPath, object: &Value) -> Option<inject::Workload> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (path != PodPath::Itself).then(|| inject::Workload {
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        name: text(&object["metadata"]["name"]),
    })
}

/// `Deployment shop/web`, for messages.
pub(super) fn describe(object: &Value, namespace: &str) -> String {
    let metadata = &object["metadata"];
    let name = metadata["name"]
        .as_str()
        .or_else(|| metadata["generateName"].as_str());
    format!(
        "{} {namespace}/{}",
        object["kind"].as_str().unwrap_or("object"),
        name.unwrap_or("(unnamed)")
    )
}

/// The namespace an object goes to.
pub(super) fn namespace<'a>(object: &'a Value, default: &'a str) -> &'a str {
    object["metadata"]["namespace"]
        .as_str()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(api_version: &str, kind: &str) -> Option<PodPath> {
        PodPath::of(&json!({"apiVersion": api_version, "kind": kind}))
    }

    #[test]
    fn knows_the_kinds_that_make_pods() {
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("apps/v1beta1", "StatefulSet"),
            ("apps/v1", "DaemonSet"),
            ("apps/v1", "ReplicaSet"),
            ("v1", "ReplicationController"),
            ("batch/v1", "Job"),
        ] {
            assert_eq!(path(api_version, kind), Some(PodPath::Template), "{kind}");
        }
        assert_eq!(path("v1", "Pod"), Some(PodPath::Itself));
        assert_eq!(path("batch/v1", "CronJob"), Some(PodPath::JobTemplate));
    }

    #[test]
    fn leaves_other_groups_alone() {
        assert_eq!(path("example.com/v1", "Deployment"), None);
        assert_eq!(path("serving.knative.dev/v1", "Service"), None);
        assert_eq!(path("v1", "ConfigMap"), None);
    }
}
