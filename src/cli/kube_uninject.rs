//! `pillion kube-uninject`.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    manifest::{Edit, FileArgs},
    workload::{self, PodPath},
};
use crate::inject;

const EXAMPLES: &str = "\
Examples:
  pillion kube-uninject -f injected.yaml -o bookinfo.yaml
  kubectl get deployment productpage-v1 -o yaml | pillion kube-uninject -f - | kubectl apply -f -

Takes back what `pillion kube-inject`, `istioctl kube-inject` or a webhook added. Everything else comes out
as it went in. No cluster is needed.";

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

fn uninject_object(path: PodPath, object: &mut Value) -> anyhow::Result<Edit> {
    let name = workload::describe(object, workload::namespace(object, "default"));
    let Some(pod) = path.pod_mut(object) else {
        anyhow::bail!("{name} has no pod template");
    };
    match inject::uninject(pod) {
        Ok(Some(original)) => {
            *pod = original;
            Ok(Edit::Changed)
        }
        Ok(None) => Ok(Edit::Unchanged(Some(format!("{name} is not injected")))),
        Err(refusal) => Err(anyhow::anyhow!("{name}: {refusal}")),
    }
}
