//! The objects that hold a pod template.

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    core::v1::{Pod, ReplicationController},
};
use kube::core::ApiResource;
use serde_json::Value;

use pillion_inject as inject;

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

/// What kubectl calls a kind that makes pods: `deployment`, `deployments`, `deploy`.
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
            "{name:?} is no kind that makes pods: pod, deployment, replicaset, statefulset, daemonset, \
             replicationcontroller, job or cronjob is wanted"
        ),
    };
    Ok(resource)
}

/// The items of a List, or of a typed list of a kind that is known here; `None`
/// for anything else. Those of a typed list (PodList) leave out what the list says;
/// they get it here.
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

/// Whether an object of an unknown kind looks as if it made pods.
pub(super) fn has_pod_template(object: &Value) -> bool {
    object
        .pointer("/spec/template/spec/containers")
        .is_some_and(Value::is_array)
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
    fn the_items_of_a_typed_list_are_of_its_kind() {
        let mut list =
            json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"spec": {}}]});
        let items = items_mut(&mut list).unwrap();
        assert_eq!(PodPath::of(&items[0]), Some(PodPath::Template));
        let mut list = json!({"apiVersion": "v1", "kind": "List", "items": [{"spec": {}}]});
        assert_eq!(PodPath::of(&items_mut(&mut list).unwrap()[0]), None);
        // A resource of somebody's may be named so, too.
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
