//! `pillion authn check`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::Value;

use super::{inbound, outbound};
use crate::{
    cli::{
        config_dump::{items, text},
        config_source::ConnectArgs,
        json, output, port_forward,
        proxied_pod::{self, PodName},
    },
    text::printable,
};

/// The proxy's port for its administrator, on loopback.
const PORT: u16 = 15000;
const CONFIG_DUMP: &str = "/config_dump?include_eds";
const CERTS: &str = "/certs";

/// Arguments of `pillion authn check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pod, or a workload of which one pod is taken, as KIND/NAME (deployment/web).
    #[arg(value_name = "POD[.NAMESPACE]")]
    pod: String,
    /// The namespace of the pod [default: that of the kubeconfig's context].
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only this destination: a Service, as NAME, NAME.NAMESPACE or its whole host.
    #[arg(long, value_name = "SERVICE")]
    to: Option<String>,
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
        let ask = async |path: &str| -> anyhow::Result<Value> {
            let answer = port_forward::get(&client, &pod, PORT, path).await?;
            json::parse(&answer)
                .with_context(|| format!("cannot read what the proxy of {pod} answers to {path}"))
        };
        let dump = ask(CONFIG_DUMP).await?;
        if !dump["configs"].is_array() {
            bail!("this is not what a proxy answers to {CONFIG_DUMP}: it has no configs");
        }
        // Envoy has its certificates by SDS, and a proxy without a control plane has none.
        let certificates = ask(CERTS).await.unwrap_or_default();
        let mut shown = identity(&pod, &certificates);
        let found = outbound::table(&dump, self.to.as_deref(), &pod.namespace);
        match (found, &self.to) {
            (Some(table), Some(_)) => shown.push_str(&table),
            (None, Some(host)) => bail!(
                "the proxy of the pod {pod} has no destination {}: is there such a Service, and is it exported to the \
                 namespace {}? pillion proxy-config clusters {} lists what it has",
                printable(host),
                pod.namespace,
                pod.dotted()
            ),
            (found, None) => {
                if let Some(table) = inbound::table(&dump) {
                    shown.push_str(&table);
                    shown.push('\n');
                }
                shown.push_str(&found.unwrap_or_else(|| "It has no destinations.\n".to_owned()));
            }
        }
        output::write(None, &shown)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Who the pod is, as a paragraph.
fn identity(pod: &PodName, certificates: &Value) -> String {
    let all = items(certificates, "certificates").iter();
    let own = all
        .flat_map(|one| items(one, "cert_chain"))
        .find_map(|certificate| {
            let names = items(certificate, "subject_alt_names").iter();
            let uri = names
                .map(|name| text(name, "uri"))
                .find(|uri| !uri.is_empty())?;
            Some((uri, text(certificate, "expiration_time")))
        });
    match own {
        Some((uri, until)) => format!(
            "The pod {pod} is {}, by a certificate that is valid until {}.\n\n",
            printable(uri),
            printable(until)
        ),
        None => format!(
            "The proxy of the pod {pod} has no certificate, so it speaks no mutual TLS; its log says why.\n\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_who_the_pod_is() {
        let pod = PodName {
            namespace: "shop".to_owned(),
            name: "web-1".to_owned(),
        };
        let found = json!({"certificates": [{"cert_chain": [{
            "subject_alt_names": [{"uri": "spiffe://cluster.local/ns/shop/sa/web"}],
            "expiration_time": "2026-12-01T00:00:00Z",
        }]}]});
        assert_eq!(
            identity(&pod, &found),
            "The pod shop/web-1 is spiffe://cluster.local/ns/shop/sa/web, by a certificate that is valid until \
             2026-12-01T00:00:00Z.\n\n"
        );
        assert!(identity(&pod, &Value::Null).contains("no certificate"));
    }
}
