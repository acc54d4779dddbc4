//! `pillion check-inject`.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject},
};
use serde_json::Value;

use super::{
    config_source::{ClusterArgs, ConfigArgs, Loaded},
    documents,
    injector_pods::InjectorPods,
    injector_webhooks::{self, InjectorWebhook, Labels},
    manifest, output, table,
    workload::{self, PodPath},
};
use pillion_inject::{self as inject, Outcome, Target};

const EXAMPLES: &str = "\
Examples:
  pillion check-inject productpage-v1-5d8f9-x2x7q -n bookinfo
  pillion check-inject deployment/productpage-v1 -n bookinfo
  pillion check-inject -f bookinfo.yaml -n bookinfo

For each sidecar injector's webhook, the table shows whether it would inject the pod if the pod were created
now: first what the API server decides from labels, then what the injector decides from the pod itself, and
whether an injector is ready. The exit code is 1 if no webhook or more than one would inject the pod, or if the pod would be refused.";

/// Arguments of `pillion check-inject`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "pillion check-inject [OPTIONS] <POD | --filename <FILE>>")]
pub(super) struct Args {
    /// A pod in the cluster, or a workload as KIND/NAME (deployment/web).
    #[arg(
        value_name = "POD",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pod: Option<String>,
    /// A manifest with pods and workloads; - for standard input.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    file: Option<String>,
    /// The namespace of the pod, or of objects in the manifest that don't specify one [default: that of the
    /// kubeconfig's context].
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A pod to check.
struct Candidate {
    name: String,
    namespace: String,
    pod: Value,
    workload: Option<inject::Workload>,
    /// Whether the pod runs in the cluster, and does not come from a file.
    is_running: bool,
}

/// What a check needs besides the pod.
struct Checker {
    client: Client,
    webhooks: Vec<InjectorWebhook>,
    pods: InjectorPods,
    /// The configuration, or why it could not be loaded.
    loaded: Result<Loaded, String>,
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self
            .cluster
            .client()
            .await
            .context("cannot connect to the cluster")?;
        let webhooks = injector_webhooks::list(&client)
            .await
            .context("cannot list the MutatingWebhookConfigurations")?;
        let loaded = self
            .config
            .load(&self.cluster)
            .await
            .map_err(|error| format!("{error:#}"));
        let pods = InjectorPods::of(&client, &webhooks).await;
        let checker = Checker {
            client,
            webhooks,
            pods,
            loaded,
        };
        let (mut text, mut all_injected_once) = (String::new(), true);
        for candidate in self.candidates(&checker.client).await? {
            all_injected_once &= checker.check(&candidate, &mut text).await?;
        }
        output::write(None, &text)?;
        Ok(if all_injected_once {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn candidates(&self, client: &Client) -> anyhow::Result<Vec<Candidate>> {
        let default_namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => self.cluster.default_namespace().await?,
        };
        if let Some(name) = &self.pod {
            return Ok(vec![from_cluster(client, &default_namespace, name).await?]);
        }
        let file = self.file.as_deref().unwrap_or("-");
        let found = from_file(file, &default_namespace)?;
        if found.is_empty() {
            bail!("{file}: the file contains neither a pod nor a workload");
        }
        Ok(found)
    }
}

async fn from_cluster(client: &Client, namespace: &str, name: &str) -> anyhow::Result<Candidate> {
    let (resource, name) = match name.split_once('/') {
        Some((kind, name)) => (workload::resource(kind)?, name),
        // Dynamic, because the injector must see the same JSON as the webhook would.
        None => (ApiResource::erase::<Pod>(&()), name),
    };
    let kind = resource.kind.clone();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let found = api
        .get_opt(name)
        .await
        .with_context(|| format!("cannot read the {kind} {namespace}/{name}"))?;
    let Some(found) = found else {
        bail!(
            "{kind} {name:?} not found in namespace {namespace:?}; use -n to select another namespace"
        );
    };
    let mut candidates = Vec::new();
    collect(serde_json::to_value(found)?, namespace, &mut candidates);
    let Some(mut candidate) = candidates.pop() else {
        bail!("the {kind} {namespace}/{name} has no pod template");
    };
    candidate.is_running = kind == "Pod";
    Ok(candidate)
}

fn from_file(file: &str, default_namespace: &str) -> anyhow::Result<Vec<Candidate>> {
    let text = manifest::read(file)?;
    let mut found = Vec::new();
    for (index, document) in documents::split(&text).into_iter().enumerate() {
        let object = document
            .parse()
            .with_context(|| format!("{file}: document {}", index + 1))?;
        collect(object, default_namespace, &mut found);
    }
    Ok(found)
}

fn collect(mut object: Value, default_namespace: &str, found: &mut Vec<Candidate>) {
    if let Some(items) = workload::items_mut(&mut object) {
        for item in std::mem::take(items) {
            collect(item, default_namespace, found);
        }
        return;
    }
    let Some(path) = PodPath::of(&object) else {
        return;
    };
    if let Some(pod) = path.pod(&object) {
        let namespace = workload::namespace(&object, default_namespace).to_owned();
        found.push(Candidate {
            name: workload::describe(&object, &namespace),
            pod: pod.clone(),
            workload: workload::workload(path, &object),
            namespace,
            is_running: false,
        });
    }
}

impl Checker {
    /// Appends the table for one pod to the text. Returns whether exactly one webhook
    /// would inject the pod.
    async fn check(&self, candidate: &Candidate, text: &mut String) -> anyhow::Result<bool> {
        let namespace = self.namespace_labels(&candidate.namespace).await?;
        let pod = labels(&candidate.pod);
        let decision = self.decide(candidate);
        let mut injecting = Vec::new();
        let rows: Vec<_> = self
            .webhooks
            .iter()
            .map(|webhook| {
                let selected = webhook.selects(&namespace, &pod);
                let obstacle = decision.as_ref().err().cloned();
                let obstacle = obstacle.or_else(|| self.no_answer(webhook));
                let (injected, reason) = match (&selected.called, obstacle) {
                    (false, _) => ("no", selected.reason),
                    (true, None) => {
                        injecting.push(webhook.configuration.as_str());
                        ("yes", selected.reason)
                    }
                    (true, Some(why)) => ("no", format!("{}, but {why}", selected.reason)),
                };
                vec![
                    webhook.name().to_owned(),
                    webhook.revision.clone(),
                    injected.to_owned(),
                    reason,
                ]
            })
            .collect();
        let mut lines = vec![candidate.name.clone()];
        if rows.is_empty() {
            lines.push("no sidecar injector's webhook is installed in this cluster".to_owned());
        } else {
            let table = table::format(&["WEBHOOK", "REVISION", "INJECTED", "REASON"], &rows);
            lines.push(table.trim_end().to_owned());
            lines.extend(current_state(candidate, !injecting.is_empty()));
            lines.extend(self.notes(&injecting));
            if !injecting.is_empty() {
                let warnings = decision.iter().flatten();
                lines.extend(warnings.map(|warning| format!("warning: {warning}")));
            }
        }
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text.push('\n');
        Ok(injecting.len() == 1)
    }

    /// Why the webhook would not answer.
    fn no_answer(&self, webhook: &InjectorWebhook) -> Option<String> {
        let service = self.pods.missing(webhook)?;
        let consequence = webhook.without_answer();
        Some(format!(
            "no injector is ready behind the Service {service}: {consequence}"
        ))
    }

    fn notes(&self, injecting: &[&str]) -> Vec<String> {
        let mut notes = Vec::new();
        if injecting.len() > 1 {
            let configurations: BTreeSet<_> = injecting.iter().copied().collect();
            let names: Vec<_> = configurations.into_iter().collect();
            notes.push(format!(
                "more than one webhook would inject this pod, and the second would refuse it: change the selectors of \
                 the MutatingWebhookConfigurations ({}) so that they do not overlap",
                names.join(", ")
            ));
        }
        notes.extend(self.pods.unknown());
        if let Err(why) = &self.loaded {
            notes.push(format!("the injector's own decision is unknown: {why}"));
        }
        notes
    }

    /// What the injector would decide: `Ok` has the warnings of an injection, and
    /// `Err` the reason why the pod would not be injected.
    fn decide(&self, candidate: &Candidate) -> Result<Vec<String>, String> {
        let Ok(loaded) = &self.loaded else {
            return Ok(Vec::new());
        };
        // A running pod that is injected was not injected yet when it was created.
        let original = candidate
            .is_running
            .then(|| inject::uninject(&candidate.pod).ok().flatten())
            .flatten();
        let target = Target {
            pod: original.as_ref().unwrap_or(&candidate.pod),
            namespace: &candidate.namespace,
            workload: candidate.workload.as_ref(),
            path_env: &[],
            cluster_has_native_sidecars: loaded.native_sidecars,
        };
        match inject::inject(&loaded.config, &target) {
            Ok(Outcome::Injected(injection)) => Ok(injection.warnings),
            Ok(Outcome::Skipped { reason, .. }) => Err(format!("the pod {reason}")),
            Err(refusal) => Err(format!("the injector refuses it: {refusal}")),
        }
    }

    async fn namespace_labels(&self, name: &str) -> anyhow::Result<Labels> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let found = api
            .get_opt(name)
            .await
            .with_context(|| format!("cannot read the namespace {name:?}"))?;
        let Some(namespace) = found else {
            bail!(
                "namespace {name:?} not found in the cluster; use -n to select another namespace"
            );
        };
        Ok(namespace.labels().clone())
    }
}

/// Whether a pod in the cluster is injected now.
fn current_state(candidate: &Candidate, would_be_injected: bool) -> Option<String> {
    let state = match inject::uninject(&candidate.pod) {
        _ if !candidate.is_running => return None,
        Ok(Some(_)) => "is injected".to_owned(),
        Ok(None) if would_be_injected => {
            "is not injected; a running pod can't be injected later, restart it".to_owned()
        }
        Ok(None) => "is not injected".to_owned(),
        Err(error) => format!("is injected, but its record of that is invalid: {error}"),
    };
    Some(format!("the running pod {state}"))
}

fn labels(pod: &Value) -> Labels {
    pod["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
