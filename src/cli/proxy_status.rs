//! `pillion proxy-status`.

mod render;

use std::process::ExitCode;

use anyhow::{Context, bail};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{
    config_source::ConnectArgs,
    json, output, port_forward,
    proxied_pod::{self, PodName},
};
use crate::{
    discovery::proxies::report::{PATH, ProxyReport},
    flags,
    text::plural,
};

/// The discovery service's debug port, on loopback.
const PORT: u16 = 15016;
/// The label of the discovery service's pods that names the revision.
const REVISION: &str = "istio.io/rev";
/// How many replicas are asked at a time.
const AT_A_TIME: usize = 8;

const EXAMPLES: &str = "\
Examples:
  pillion proxy-status
  pillion proxy-status productpage-v1-5d8f9-x2x7q.bookinfo
  pillion proxy-status -o json

CDS, LDS, EDS and RDS are clusters, listeners, endpoints and routes. SYNCED: the proxy has accepted what was sent
last. STALE: it has not replied yet. NACK: it refuses something, with the reason below the table, and keeps what it
had of that. NOT SENT: there is nothing, or the proxy has not asked. A proxy that is not listed is not connected.

Every replica of the discovery service is asked through the API server, which needs permission to list pods and to
get and create pods/portforward in the namespace that Pillion is installed in.";

/// Arguments of `pillion proxy-status`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Show only the proxy of this pod.
    #[arg(value_name = "POD[.NAMESPACE]")]
    pod: Option<String>,
    /// The namespace of the pod [default: that of the kubeconfig's context]. Without a pod: show only the proxies of this
    /// namespace.
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The format of the output.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
    /// The namespace that Pillion is installed in.
    #[arg(
        short = 'i',
        long = "istioNamespace",
        value_name = "NAMESPACE",
        default_value = "istio-system"
    )]
    istio_namespace: String,
    /// Ask only the discovery service of this revision [default: those of all revisions].
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    #[command(flatten)]
    cluster: ConnectArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// A table.
    #[default]
    Short,
    /// JSON.
    Json,
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.cluster.client().await;
        let client = client.context("cannot connect to the cluster")?;
        let pod = self.wanted(&client).await?;
        let replicas = self.replicas(&client).await?;
        let mut reports = ask(&client, &replicas).await?;
        if let Some(pod) = &pod {
            reports.retain(|report| report.proxy == format!("{}.{}", pod.name, pod.namespace));
            if reports.is_empty() {
                bail!(
                    "the proxy of the pod {pod} is not connected to the discovery service ({} asked): the log of the proxy \
                     says why",
                    plural(replicas.len(), "replica")
                );
            }
        }
        if let (None, Some(namespace)) = (&pod, &self.namespace) {
            reports.retain(|report| {
                let parts = report.proxy.rsplit_once('.');
                parts.is_some_and(|(_, of)| of == namespace)
            });
        }
        let text = match self.output {
            Output::Short => render::table(&reports, self.namespace.as_deref()),
            Output::Json => json::pretty(&reports)?,
        };
        output::write(None, &text)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn wanted(&self, client: &Client) -> anyhow::Result<Option<PodName>> {
        let Some(pod) = &self.pod else {
            return Ok(None);
        };
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => self.cluster.default_namespace().await?,
        };
        proxied_pod::find(client, pod, &namespace).await.map(Some)
    }

    /// The pods of the discovery service that run.
    async fn replicas(&self, client: &Client) -> anyhow::Result<Vec<Replica>> {
        let namespace = &self.istio_namespace;
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let revision = self.revision.as_deref().map(flags::revision);
        let of_revision = revision.map(|revision| format!(",{REVISION}={revision}"));
        let labels = format!("app=pillion-discovery{}", of_revision.unwrap_or_default());
        let pods = api.list(&ListParams::default().labels(&labels)).await;
        let pods = pods.with_context(|| format!("cannot list the pods in {namespace}"))?;
        let running = pods.items.into_iter().filter(|pod| {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            phase == Some("Running")
        });
        let replicas: Vec<_> = running
            .map(|pod| Replica {
                revision: pod.labels().get(REVISION).cloned().unwrap_or_default(),
                pod: PodName {
                    namespace: namespace.clone(),
                    name: pod.name_any(),
                },
            })
            .collect();
        if replicas.is_empty() {
            let of = revision.map(|revision| format!(" of the revision {revision}"));
            bail!(
                "no discovery service{} runs in the namespace {namespace}: use -i for another namespace and --revision for \
                 another revision",
                of.unwrap_or_default()
            );
        }
        Ok(replicas)
    }
}

/// A pod of the discovery service.
struct Replica {
    pod: PodName,
    revision: String,
}

/// Asks all replicas. One that does not answer is reported, unless none does.
async fn ask(client: &Client, replicas: &[Replica]) -> anyhow::Result<Vec<ProxyReport>> {
    let answers = stream::iter(replicas).map(|replica| ask_one(client, replica));
    let answers: Vec<_> = answers.buffered(AT_A_TIME).collect().await;
    let mut reports = Vec::new();
    let mut failures = Vec::new();
    for answer in answers {
        match answer {
            Ok(mut of_one) => reports.append(&mut of_one),
            Err(error) => failures.push(error),
        }
    }
    if failures.len() == replicas.len()
        && let Some(error) = failures.pop()
    {
        return Err(error);
    }
    for error in failures {
        output::note(&format!(
            "warning: the proxies of a replica are missing: {error:#}"
        ));
    }
    reports.sort_by(|a, b| a.proxy.cmp(&b.proxy));
    Ok(reports)
}

async fn ask_one(client: &Client, replica: &Replica) -> anyhow::Result<Vec<ProxyReport>> {
    let pod = &replica.pod;
    let answer = port_forward::get(client, pod, PORT, PATH).await?;
    let reports = json::parse::<Vec<ProxyReport>>(&answer);
    let mut reports = reports.with_context(|| {
        format!("cannot read the answer of {pod}: is it of another version than this command?")
    })?;
    for report in &mut reports {
        report.replica.clone_from(&pod.name);
        report.revision.clone_from(&replica.revision);
    }
    Ok(reports)
}
