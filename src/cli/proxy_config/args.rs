//! Which proxy is asked, and how the answer is shown.

use std::{fs, io::Read, path::PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::cli::{
    config_source::ConnectArgs,
    json, port_forward,
    proxied_pod::{self, PodName},
};

/// The proxy's port for its administrator, on loopback.
const PORT: u16 = 15000;

/// Flags of every subcommand.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// The proxy's pod, or a workload of which one pod is taken, as KIND/NAME (deployment/web).
    #[arg(
        value_name = "POD[.NAMESPACE]",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pod: Option<String>,
    /// The namespace of the pod [default: that of the kubeconfig's context].
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// A file with what the proxy's /config_dump answers (for endpoints: /clusters?format=json, for secrets: /certs); - for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The format of the output.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: Output,
    #[command(flatten)]
    cluster: ConnectArgs,
}

/// How the answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Output {
    /// A table.
    #[default]
    Short,
    /// The resources as the proxy shows them.
    Json,
}

/// A proxy that can be asked.
pub(super) enum Proxy {
    /// That of a pod.
    Pod(Box<kube::Client>, PodName),
    /// What one has answered.
    File(Value),
}

impl Source {
    /// Whether the answer is from a file.
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Finds the proxy.
    pub async fn proxy(&self) -> anyhow::Result<Proxy> {
        if let Some(file) = &self.file {
            let text = if file.as_os_str() == "-" {
                let mut text = Vec::new();
                std::io::stdin().read_to_end(&mut text).map(|_| text)
            } else {
                fs::read(file)
            };
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            let value = serde_json::from_slice(&text);
            let value = value.with_context(|| format!("{} is not JSON", file.display()))?;
            return Ok(Proxy::File(value));
        }
        let client = self.cluster.client().await;
        let client = client.context("cannot connect to the cluster")?;
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => self.cluster.default_namespace().await?,
        };
        let pod = self.pod.as_deref().unwrap_or_default();
        let pod = proxied_pod::find(&client, pod, &namespace).await?;
        Ok(Proxy::Pod(Box::new(client), pod))
    }
}

impl Proxy {
    /// What the proxy answers at a path of its port for the administrator.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        match self {
            Self::File(value) => Ok(value.clone()),
            Self::Pod(client, pod) => {
                let answer = port_forward::get(client, pod, PORT, path).await?;
                json::parse(&answer).with_context(|| {
                    format!("cannot read what the proxy of {pod} answers to {path}")
                })
            }
        }
    }
}
