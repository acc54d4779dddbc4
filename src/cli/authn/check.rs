//! `pillion authn check`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{inbound, outbound};
use crate::{
    cli::{
        config_dump::{items, text},
        config_source::ConnectArgs,
        json, output, port_forward,
        proxied_pod::{self, PodName},
        validity::{Validity, span},
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
        let certificates = ask(CERTS).await.and_then(|found| {
            if !found["certificates"].is_array() {
                bail!("this is not what a proxy answers to {CERTS}: it has no certificates");
            }
            Ok(found)
        });
        let mut shown = match &certificates {
            Ok(certificates) => identity(&pod, certificates, Timestamp::now()),
            // What is in the dump is true without it.
            Err(error) => unknown(&pod, error),
        };
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
fn identity(pod: &PodName, certificates: &Value, now: Timestamp) -> String {
    let all = items(certificates, "certificates").iter();
    let own = all
        .flat_map(|one| items(one, "cert_chain"))
        .find_map(|certificate| {
            let names = items(certificate, "subject_alt_names").iter();
            let uri = names
                .map(|name| text(name, "uri"))
                .find(|uri| !uri.is_empty())?;
            Some((uri, certificate))
        });
    match own {
        Some((uri, certificate)) => format!(
            "The pod {pod} is {}, by a certificate that {}.\n\n",
            printable(uri),
            validity(certificate, now)
        ),
        // One without a control plane.
        None => format!(
            "The proxy of the pod {pod} has no certificate, so it speaks no mutual TLS; its log says why.\n\n"
        ),
    }
}

/// What a certificate's dates mean by the clock of this machine, as the rest of a sentence.
fn validity(certificate: &Value, now: Timestamp) -> String {
    let from = printable(text(certificate, "valid_from"));
    let until = printable(text(certificate, "expiration_time"));
    match Validity::of(certificate, now) {
        Validity::Valid { left } => format!("is valid until {until} ({} left)", span(left)),
        Validity::Expired { ago } => format!(
            "expired at {until} ({} ago by the clock of this machine): no peer accepts it, and the proxy's log says why there is \
             no new one",
            span(ago)
        ),
        Validity::NotYet { wait } => format!(
            "is not valid before {from} (in {} by the clock of this machine): compare the clocks",
            span(wait)
        ),
        Validity::Unknown => "has no dates that can be read".to_owned(),
    }
}

/// That nobody knows who the pod is, as a paragraph.
fn unknown(pod: &PodName, error: &anyhow::Error) -> String {
    let reason = printable(&format!("{error:#}"));
    format!(
        "Can't read {CERTS}: {reason}\nSo whether the pod {pod} has a certificate is not known.\n\n"
    )
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use serde_json::json;

    use super::*;

    fn pod() -> PodName {
        PodName {
            namespace: "shop".to_owned(),
            name: "web-1".to_owned(),
        }
    }

    #[test]
    fn says_who_the_pod_is() {
        let found = json!({"certificates": [{"cert_chain": [{
            "subject_alt_names": [{"uri": "spiffe://cluster.local/ns/shop/sa/web"}],
            "valid_from": "2026-11-30T00:00:00Z",
            "expiration_time": "2026-12-01T00:00:00Z",
        }]}]});
        let is =
            "The pod shop/web-1 is spiffe://cluster.local/ns/shop/sa/web, by a certificate that ";
        for (now, rest) in [
            (
                "2026-11-30T01:00:00Z",
                "is valid until 2026-12-01T00:00:00Z (23h left).\n\n",
            ),
            (
                "2026-12-04T00:00:00Z",
                "expired at 2026-12-01T00:00:00Z (3d ago by the clock of this machine): no peer accepts it, and the proxy's log \
                 says why there is no new one.\n\n",
            ),
            (
                "2026-11-29T23:55:00Z",
                "is not valid before 2026-11-30T00:00:00Z (in 5m by the clock of this machine): compare the clocks.\n\n",
            ),
        ] {
            let said = identity(&pod(), &found, now.parse().unwrap());
            assert_eq!(said, format!("{is}{rest}"));
        }
        let none = json!({"certificates": []});
        let said = identity(&pod(), &none, Timestamp::UNIX_EPOCH);
        assert!(said.contains("no certificate"), "{said}");
    }

    #[test]
    fn a_failed_question_is_no_answer() {
        let error = anyhow!("connection\nreset").context("the pod shop/web-1 does not answer");
        assert_eq!(
            unknown(&pod(), &error),
            "Can't read /certs: the pod shop/web-1 does not answer: connection reset\n\
             So whether the pod shop/web-1 has a certificate is not known.\n\n"
        );
    }
}
