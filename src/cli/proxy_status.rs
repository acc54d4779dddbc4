//! `pillion proxy-status`.

mod absent;
mod render;
mod unconnected;

use std::process::ExitCode;

use anyhow::{Context, bail};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};

use self::unconnected::REVISION;
use super::{
    config_source::ConnectArgs,
    json, output, port_forward,
    proxied_pod::{self, PodName},
};
use crate::{
    cluster::is_forbidden,
    discovery::proxies::report::{PATH, ProxyReport},
    flags,
    text::plural,
};

/// The discovery service's debug port, on loopback.
const PORT: u16 = 15016;
/// How many replicas are asked at a time.
const AT_A_TIME: usize = 8;

const EXAMPLES: &str = "\
Examples:
  pillion proxy-status
  pillion proxy-status productpage-v1-5d8f9-x2x7q.bookinfo
  pillion proxy-status -o json

CDS, LDS, EDS and RDS are clusters, listeners, endpoints and routes. SYNCED: the proxy has accepted what was sent
last, or had all of it when it connected again. STALE: it has not replied yet. NACK: it refuses something, with the
reason below the table, and keeps what it had of that. NOT SENT: the proxy has not asked, or not been answered yet. A
proxy that is not listed is not connected.

Every replica of the discovery service is asked through the API server, which needs permission to list pods and to
get and create pods/portforward in the namespace that Pillion is installed in. With permission to list the pods of all
namespaces (with -n, of that namespace), the command also names proxies that run and are not connected.";

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
        let running = match &pod {
            Some(_) => None,
            // Before the replicas are asked: a proxy that starts meanwhile is not missing.
            None => self.running(&client, &replicas).await,
        };
        let answers = ask(&client, &replicas).await;
        let Answers {
            mut reports,
            are_all,
        } = match answers {
            Ok(answers) => answers,
            Err(error) => return Err(self.unanswered(&client, error).await),
        };
        // A replica that did not answer may know the others.
        let missing = running.filter(|_| are_all).and_then(|running| {
            let connected = reports.iter().map(|report| &*report.proxy).collect();
            unconnected::text(running, &connected)
        });
        if let Some(pod) = &pod {
            reports.retain(|report| report.proxy == pod.dotted());
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
            Output::Short => {
                let missing = missing.as_deref();
                render::table(&reports, self.namespace.as_deref(), missing)
            }
            Output::Json => {
                if let Some(missing) = missing {
                    output::note(&format!("warning: {missing}"));
                }
                json::pretty(&reports)?
            }
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

    /// The proxies that should be connected to these replicas, if the user may know.
    async fn running(&self, client: &Client, replicas: &[Replica]) -> Option<Vec<PodName>> {
        let revisions = replicas.iter().map(|replica| &*replica.revision).collect();
        unconnected::running(client, self.namespace.as_deref(), &revisions).await
    }

    /// The labels of the discovery service's Deployments and pods.
    fn labels(&self) -> String {
        let of_revision = self.revision.as_deref().map(flags::revision);
        let of_revision = of_revision.map(|revision| format!(",{REVISION}={revision}"));
        format!("app=pillion-discovery{}", of_revision.unwrap_or_default())
    }

    /// Why no replica has answered.
    async fn unanswered(&self, client: &Client, error: anyhow::Error) -> anyhow::Error {
        if error.downcast_ref().is_some_and(is_forbidden) {
            // It says what is missing: the user's permission.
            return error;
        }
        match absent::why(client, &self.istio_namespace, &self.labels()).await {
            Some(why) => error.context(why),
            None => error,
        }
    }

    /// The pods of the discovery service that run.
    async fn replicas(&self, client: &Client) -> anyhow::Result<Vec<Replica>> {
        let namespace = &self.istio_namespace;
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let labels = self.labels();
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
            if let Some(why) = absent::why(client, namespace, &labels).await {
                bail!(why);
            }
            let revision = self.revision.as_deref().map(flags::revision);
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

/// What the replicas have answered.
struct Answers {
    reports: Vec<ProxyReport>,
    /// Whether all have.
    are_all: bool,
}

/// Asks all replicas. One that does not answer is reported, unless none does.
async fn ask(client: &Client, replicas: &[Replica]) -> anyhow::Result<Answers> {
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
    let are_all = failures.is_empty();
    for error in failures {
        output::note(&format!(
            "warning: the proxies of a replica are missing: {error:#}"
        ));
    }
    reports.sort_by(|a, b| a.proxy.cmp(&b.proxy));
    Ok(Answers { reports, are_all })
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

#[cfg(test)]
mod tests;
