//! `pillion kube-inject`.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    config_source::{ClusterArgs, ConfigArgs, Loaded},
    manifest::{self, Edit, FileArgs},
    output,
    workload::{self, PodPath},
};
use pillion_inject::{self as inject, Config, Outcome, Refusal, Target};

const EXAMPLES: &str = "\
Examples:
  # With the configuration of the cluster, as the webhook would inject it:
  pillion kube-inject -f bookinfo.yaml | kubectl apply -f -

  # Without a cluster:
  pillion kube-inject --defaults -f bookinfo.yaml -o injected.yaml

  # With the configuration in files:
  kubectl -n istio-system get configmap istio-sidecar-injector -o jsonpath='{.data.config}' > inject-config.yaml
  kubectl -n istio-system get configmap istio-sidecar-injector -o jsonpath='{.data.values}' > inject-values.yaml
  kubectl -n istio-system get configmap istio -o jsonpath='{.data.mesh}' > mesh-config.yaml
  pillion kube-inject --injectConfigFile inject-config.yaml --valuesFile inject-values.yaml \\
    --meshConfigFile mesh-config.yaml -f bookinfo.yaml

Objects that do not create pods are left unchanged. So are workloads that must not be injected, with a note
on standard error. If a workload is refused, nothing is written and the exit code is 1.";

/// Arguments of `pillion kube-inject`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    files: FileArgs,
    /// The namespace of objects that don't specify one.
    #[arg(short = 'n', long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let loaded = self.config.load(&self.cluster).await?;
        self.files.edit(&mut |path, object| {
            inject_object(&loaded, &self.namespace, path, object, &mut warn)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a function that injects a manifest as `kube-inject` does, with this
/// configuration and native sidecars.
pub fn inject_text(config: Config) -> impl Fn(&str) -> anyhow::Result<String> {
    let loaded = Loaded {
        config,
        native_sidecars: true,
    };
    move |text| {
        let mut edit = |path, object: &mut Value| {
            inject_object(&loaded, "default", path, object, &mut |_, _| ())
        };
        Ok(manifest::edit("-", text, &mut edit)?.text)
    }
}

fn inject_object(
    loaded: &Loaded,
    default_namespace: &str,
    path: PodPath,
    object: &mut Value,
    warn: &mut dyn FnMut(&str, &[String]),
) -> anyhow::Result<Edit> {
    let namespace = workload::namespace(object, default_namespace).to_owned();
    let name = workload::describe(object, &namespace);
    let workload = workload::workload(path, object);
    let Some(pod) = path.pod_mut(object) else {
        anyhow::bail!("{name} has no pod template");
    };
    let target = Target {
        pod,
        namespace: &namespace,
        workload: workload.as_ref(),
        path_env: &[],
        cluster_has_native_sidecars: loaded.native_sidecars,
    };
    match inject::inject(&loaded.config, &target) {
        Ok(Outcome::Injected(injection)) => {
            warn(&name, &injection.warnings);
            json_patch::patch(pod, &injection.patch)?;
            Ok(Edit::Changed)
        }
        Ok(Outcome::Skipped { reason, warnings }) => {
            warn(&name, &warnings);
            Ok(Edit::Unchanged(Some(format!(
                "{name} is not injected: it {reason}"
            ))))
        }
        // The message of this refusal names the workload itself.
        Err(refusal @ Refusal::AlreadyInjected(_)) => Err(refusal.into()),
        Err(refusal) => {
            warn(&name, &refusal.warnings());
            Err(anyhow::anyhow!("{name}: {refusal}"))
        }
    }
}

fn warn(name: &str, warnings: &[String]) {
    for warning in warnings {
        output::note(&format!("warning: {name}: {warning}"));
    }
}
