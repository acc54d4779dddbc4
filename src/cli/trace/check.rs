//! `pillion trace check`.

mod verdict;

use std::process::ExitCode;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use self::verdict::Seen;
use crate::cli::{config_source::ConnectArgs, json, output, port_forward, proxied_pod};

/// The proxy's port for its administrator, on loopback.
const PORT: u16 = 15000;
const PATH: &str = "/tracing";

/// Arguments of `pillion trace check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The application's pod, or a workload of which one pod is taken, as KIND/NAME (deployment/web).
    #[arg(value_name = "POD[.NAMESPACE]")]
    pod: String,
    /// The namespace of the pod [default: that of the kubeconfig's context].
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    cluster: ConnectArgs,
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.cluster.client().await;
        let client = client.context("cannot connect to the cluster")?;
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => self.cluster.default_namespace().await?,
        };
        let pod = proxied_pod::find(&client, &self.pod, &namespace).await?;
        let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
        let object = api.get(&pod.name).await;
        let object = object.with_context(|| format!("cannot read the pod {pod}"))?;
        if proxied_pod::is_gateway(&object) {
            bail!(
                "the pod {pod} is a gateway, which has no application that could pass headers on: name a workload behind \
                 it. pillion trace show shows what the gateway has traced"
            );
        }
        let answer = port_forward::get(&client, &pod, PORT, PATH).await;
        let answer = answer.map_err(|error| {
            if port_forward::is_not_found(&error) {
                error.context(format!(
                    "the proxy of the pod {pod} does not say what it has seen of traces: it is of an older version, or \
                     another proxy. Restart the pod to have the current proxy injected"
                ))
            } else {
                error
            }
        })?;
        let seen: Seen = json::parse(&answer)
            .with_context(|| format!("cannot read what the proxy of {pod} answers to {PATH}"))?;
        output::write(None, &verdict::text(&pod, &seen))?;
        Ok(if seen.has_cut() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}
