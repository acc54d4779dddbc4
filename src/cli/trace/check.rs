//! `pillion trace check`.

mod verdict;

use std::process::ExitCode;

use anyhow::Context;

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
        let answer = port_forward::get(&client, &pod, PORT, PATH).await?;
        let seen: Seen = json::parse(&answer)
            .with_context(|| format!("cannot read what the proxy of {pod} answers to {PATH}"))?;
        output::write(None, &verdict::text(&pod, &seen))?;
        Ok(ExitCode::SUCCESS)
    }
}
