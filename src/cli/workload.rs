//! Kubernetes objects that create pods.

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    core::v1::{Pod, ReplicationController},
};
use kube::core::ApiResource;
use serde_json::Value;

use pillion_inject as inject;

/// Where an object has its pod or pod template.
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
    /// Returns the path for an object's kind; `None` if the kind does not create pods.
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

    /// Returns the pod or the pod template.
    pub fn pod(self, object: &Value) -> Option<&Value> {
        object.pointer(self.pointer())
    }

    /// Returns the pod or the pod template.
    pub fn pod_mut(self, object: &mut Value) -> Option<&mut Value> {
        object.pointer_mut(self.pointer())
    }
}

/// Returns the resource with this name in kubectl: `deployment`, `deployments` or `deploy`.
pub(super) fn resource(name: &str) -> anyhow::Result<ApiResource> {
    let resource = match name.to_ascii_lowercase().as_str() {
        "pod" | "pods" | "po" => ApiResource::erase::<Pod>(&()),
        "deployment" | "deployments" | "deploy" => ApiResource::erase::<Deployment>(&()),
        "replicaset" | "replicasets" | "rs" => ApiResource::erase::<ReplicaSet>(&()),
        "statefulset" | "statefulsets" | "sts" => ApiResource::erase::<StatefulSet>(&()),
        "daemonset" | "daemonsets" | "ds" => ApiResource::erase::<DaemonSet>(&()),
        "replicationcontroller" | "replicationcontrollers" | "rc" => {
            ApiResource::erase::<ReplicationController>(&())
        }
        "job" | "jobs" => ApiResource::erase::<Job>(&()),
        "cronjob" | "cronjobs" | "cj" => ApiResource::erase::<CronJob>(&()),
        _ => anyhow::bail!(
            "{name:?} is not a kind that creates pods: use pod, deployment, replicaset, statefulset, daemonset, \
             replicationcontroller, job or cronjob"
        ),
    };
    Ok(resource)
}

/// Returns the items of a List, or of a typed list (PodList) of a supported kind; `None`
/// for anything else. The items of a typed list may omit `apiVersion` and `kind`; they
/// are filled in from the list.
pub(super) fn items_mut(object: &mut Value) -> Option<&mut Vec<Value>> {
    let kind = object["kind"].as_str()?.strip_suffix("List")?.to_owned();
    let api_version = object["apiVersion"].clone();
    let of_kind = serde_json::json!({"apiVersion": api_version, "kind": kind});
    let is_known = PodPath::of(&of_kind).is_some() || (api_version == "v1" && kind == "ConfigMap");
    if !kind.is_empty() && !is_known {
        return None;
    }
    let items = object["items"].as_array_mut()?;
    if !kind.is_empty() {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.entry("apiVersion").or_insert(api_version.clone());
            item.entry("kind").or_insert(kind.clone().into());
        }
    }
    Some(items)
}

/// Whether an object of an unsupported kind has a pod template.
pub(super) fn has_pod_template(object: &Value) -> bool {
    object
        .pointer("/spec/template/spec/containers")
        .is_some_and(Value::is_array)
}

/// Returns the workload that owns the pods of an object; `None` for a pod.
pub(super) fn workload(path: PodPath, object: &Value) -> Option<inject::Workload> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (path != PodPath::Itself).then(|| inject::Workload {
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        name: text(&object["metadata"]["name"]),
    })
}

/// Describes an object for messages: `Deployment shop/web`.
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

/// Returns the namespace of an object, or the default one.
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
    fn knows_the_kinds_that_create_pods() {
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
    fn the_items_of_a_typed_list_are_of_its_kind() {
        let mut list =
            json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"spec": {}}]});
        let items = items_mut(&mut list).unwrap();
        assert_eq!(PodPath::of(&items[0]), Some(PodPath::Template));
        let mut list = json!({"apiVersion": "v1", "kind": "List", "items": [{"spec": {}}]});
        assert_eq!(PodPath::of(&items_mut(&mut list).unwrap()[0]), None);
        // A custom resource's name may end like that, too.
        let mut list = json!({"apiVersion": "example.com/v1", "kind": "AllowList", "items": [{"ip": "1.2.3.4"}]});
        assert!(items_mut(&mut list).is_none());
    }

    #[test]
    fn leaves_other_groups_alone() {
        assert_eq!(path("example.com/v1", "Deployment"), None);
        assert_eq!(path("serving.knative.dev/v1", "Service"), None);
        assert_eq!(path("v1", "ConfigMap"), None);
    }
}
