//! The workload behind a pod, from its owner references.

use serde_json::Value;

use crate::pod;

/// The workload behind a pod, as telemetry and the canonical service name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// For example `apps/v1`.
    pub api_version: String,
    /// For example `Deployment`.
    pub kind: String,
    /// For example `reviews-v1`. For a pod that only has a `generateName`, that
    /// without the `-` at its end.
    pub name: String,
}

impl Workload {
    /// The workload that a pod belongs to: the controller that owns the pod, or the
    /// one that owns this controller (a Deployment for a ReplicaSet, a CronJob for a
    /// Job), which its name tells. Without a controller, the pod itself.
    #[must_use]
    pub fn of(pod: &Value) -> Self {
        let metadata = &pod["metadata"];
        let controller = pod::array(&metadata["ownerReferences"])
            .iter()
            .find(|owner| owner["controller"] == Value::Bool(true));
        match controller {
            Some(owner) if metadata["generateName"].is_string() => Self::above(pod, owner),
            _ => Self::pod(metadata),
        }
    }

    fn pod(metadata: &Value) -> Self {
        let name = metadata["name"].as_str().filter(|name| !name.is_empty());
        let name = name.or_else(|| metadata["generateName"].as_str());
        Self::new("v1", "Pod", name.unwrap_or_default().trim_end_matches('-'))
    }

    fn above(pod: &Value, owner: &Value) -> Self {
        let api_version = owner["apiVersion"].as_str().unwrap_or_default();
        let kind = owner["kind"].as_str().unwrap_or_default();
        let name = owner["name"].as_str().unwrap_or_default();
        let named_after = |label: &str| {
            let hash = pod::label(pod, label)?;
            name.strip_suffix(hash)?.strip_suffix('-')
        };
        match kind {
            "ReplicaSet" => {
                if let Some(deployment) = named_after("pod-template-hash") {
                    return Self::new("apps/v1", "Deployment", deployment);
                }
                if let Some(rollout) = named_after("rollouts-pod-template-hash") {
                    return Self::new("argoproj.io/v1alpha1", "Rollout", rollout);
                }
            }
            "ReplicationController" => {
                if let Some(config) = pod::label(pod, "deploymentconfig") {
                    return Self::new("apps.openshift.io/v1", "DeploymentConfig", config);
                }
            }
            "Job" => {
                if let Some(cron_job) = scheduled_by(name) {
                    return Self::new("batch/v1", "CronJob", cron_job);
                }
            }
            _ => {}
        }
        Self::new(api_version, kind, name)
    }

    fn new(api_version: &str, kind: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The owner's address as Istio writes it into `ISTIO_META_OWNER`.
    pub(crate) fn owner(&self, namespace: &str) -> String {
        format!(
            "kubernetes://apis/{}/namespaces/{namespace}/{}s/{}",
            self.api_version,
            self.kind.to_lowercase(),
            self.name
        )
    }
}

/// A CronJob names its Jobs after the minute they are due, in 8 to 10 digits.
fn scheduled_by(job: &str) -> Option<&str> {
    let (cron_job, minute) = job.rsplit_once('-')?;
    let is_minute =
        (8..=10).contains(&minute.len()) && minute.bytes().all(|byte| byte.is_ascii_digit());
    is_minute.then_some(cron_job)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned(kind: &str, name: &str, labels: &Value) -> Workload {
        Workload::of(
            &json!({"metadata": {"generateName": "x-", "labels": labels, "ownerReferences": [
            {"apiVersion": "other/v1", "kind": "Other", "name": "no"},
            {"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true}]}}),
        )
    }

    #[test]
    fn a_replica_set_of_a_deployment_stands_for_it() {
        let got = owned(
            "ReplicaSet",
            "web-5d8f",
            &json!({"pod-template-hash": "5d8f"}),
        );
        assert_eq!(got, Workload::new("apps/v1", "Deployment", "web"));
    }

    #[test]
    fn a_replica_set_of_its_own_stands_for_itself() {
        let got = owned("ReplicaSet", "web", &json!({"pod-template-hash": "5d8f"}));
        assert_eq!(got, Workload::new("apps/v1", "ReplicaSet", "web"));
    }

    #[test]
    fn a_job_of_a_cron_job_stands_for_it() {
        assert_eq!(
            owned("Job", "tidy-29345678", &json!({})),
            Workload::new("batch/v1", "CronJob", "tidy")
        );
        assert_eq!(
            owned("Job", "tidy-2024", &json!({})),
            Workload::new("apps/v1", "Job", "tidy-2024")
        );
    }

    #[test]
    fn a_pod_of_its_own_goes_by_its_name() {
        let pod = json!({"metadata": {"name": "lone"}});
        assert_eq!(Workload::of(&pod), Workload::new("v1", "Pod", "lone"));
        let pod = json!({"metadata": {"generateName": "many-"}});
        assert_eq!(Workload::of(&pod), Workload::new("v1", "Pod", "many"));
    }
}
