//! `pillion kube-uninject`.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    manifest::{self, Edit, FileArgs},
    workload::{self, PodPath},
};
use pillion_inject::{self as inject, STATUS};

const JOB_METADATA: &str = "/spec/jobTemplate/metadata";
const POD_METADATA: &str = "/spec/jobTemplate/spec/template/metadata";

const EXAMPLES: &str = "\
Examples:
  pillion kube-uninject -f injected.yaml -o bookinfo.yaml
  kubectl get deployment productpage-v1 -o yaml | pillion kube-uninject -f - | kubectl apply -f -

Removes what `pillion kube-inject`, `istioctl kube-inject` or a webhook added. Everything else is left
unchanged. This does not require a cluster.";

/// Arguments of `pillion kube-uninject`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    files: FileArgs,
}

impl Args {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.files.edit(&mut uninject_object)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Uninjects a manifest as `kube-uninject` does.
///
/// # Errors
///
/// Returns an error if the manifest is not YAML or a workload can't be uninjected.
pub fn uninject_text(text: &str) -> anyhow::Result<String> {
    Ok(manifest::edit("-", text, &mut uninject_object)?.text)
}

fn uninject_object(path: PodPath, object: &mut Value) -> anyhow::Result<Edit> {
    let name = workload::describe(object, workload::namespace(object, "default"));
    let is_by_istio = path == PodPath::JobTemplate && has_record_on_job_template(object);
    if is_by_istio {
        swap_metadata(object);
    }
    let Some(pod) = path.pod_mut(object) else {
        anyhow::bail!("{name} has no pod template");
    };
    match inject::uninject(pod) {
        Ok(Some(original)) => {
            *pod = original;
            if is_by_istio {
                swap_metadata(object);
            }
            Ok(Edit::Changed)
        }
        Ok(None) => Ok(Edit::Unchanged(Some(format!("{name} is not injected")))),
        Err(refusal) => Err(anyhow::anyhow!("{name}: {refusal}")),
    }
}

/// Whether `istioctl kube-inject` has injected a CronJob: it adds labels and annotations
/// to the metadata of the job template instead of the pod template.
fn has_record_on_job_template(cron_job: &Value) -> bool {
    let has_record = |metadata: &str| {
        let metadata = cron_job.pointer(metadata);
        metadata.is_some_and(|metadata| metadata["annotations"][STATUS].is_string())
    };
    has_record(JOB_METADATA) && !has_record(POD_METADATA)
}

fn swap_metadata(cron_job: &mut Value) {
    let mut take = |pointer| cron_job.pointer_mut(pointer).map(Value::take);
    let (job, pod) = (take(JOB_METADATA), take(POD_METADATA));
    for (parent, metadata) in [
        ("/spec/jobTemplate", pod),
        ("/spec/jobTemplate/spec/template", job),
    ] {
        if let Some(Value::Object(parent)) = cron_job.pointer_mut(parent) {
            match metadata {
                Some(metadata) => parent.insert("metadata".to_owned(), metadata),
                None => parent.remove("metadata"),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_the_record_where_istio_writes_it_in_a_cron_job() {
        let status = json!({"initContainers": null, "containers": ["istio-proxy"], "volumes": null,
            "imagePullSecrets": null, "revision": "default"});
        let app = json!({"name": "app", "image": "app"});
        let original = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
            "spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}},
                "spec": {"template": {"metadata": {"labels": {"c": "d"}}, "spec": {"containers": [app]}}}}}});
        let mut injected = original.clone();
        let job = &mut injected["spec"]["jobTemplate"];
        job["metadata"]["annotations"] = json!({STATUS: status.to_string()});
        job["spec"]["template"]["spec"]["containers"] =
            json!([app, {"name": "istio-proxy", "image": "proxy"}]);
        assert!(matches!(
            uninject_object(PodPath::JobTemplate, &mut injected),
            Ok(Edit::Changed)
        ));
        assert_eq!(injected, original);
    }
}
