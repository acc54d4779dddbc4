//! `pillion trace check`.

use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;

use crate::{
    cli::{
        config_source::ConnectArgs,
        json, output, port_forward,
        proxied_pod::{self, PodName},
    },
    text::{plural, printable},
};

/// The proxy's port for its administrator, on loopback.
const PORT: u16 = 15000;
const PATH: &str = "/tracing";
/// What every application has to pass on, whichever headers its callers use.
const HEADERS: &str = "x-request-id, traceparent, tracestate, b3, x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled, \
                       x-b3-flags";

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

/// What the proxy has seen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Seen {
    /// Whether it traces at all.
    traced: bool,
    chains: Chains,
}

/// How the application's requests follow from those that it answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chains {
    /// Requests that came with the headers of a trace, from the proxy at the latest.
    inbound: u64,
    /// Requests of the application.
    outbound: u64,
    /// Those that are part of the trace of one that came.
    continued: u64,
    /// Those that are part of none while one is answered.
    broken: u64,
    examples: Vec<Example>,
    /// The headers that were not on the broken ones.
    missing: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Example {
    method: String,
    authority: String,
    path: String,
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
        output::write(None, &verdict(&pod, &seen))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What is to be said of an application.
fn verdict(pod: &PodName, Seen { traced, chains }: &Seen) -> String {
    let application = format!("The application of the pod {pod}");
    let requests = |count: u64| plural(usize::try_from(count).unwrap_or(usize::MAX), "request");
    if !traced {
        return format!(
            "The proxy of the pod {pod} traces nothing: it has no collector to send spans to. docs/tracing.md says how it gets one.\n"
        );
    }
    if chains.inbound == 0 {
        return format!(
            "{application} has answered no request so far. Send it some, and look again.\n"
        );
    }
    if chains.broken == 0 && chains.continued == 0 {
        return format!(
            "{application} has answered {} and sent {} meanwhile, none of which has to do with those: there is nothing that it \
             would have to pass on.\n",
            requests(chains.inbound),
            requests(chains.outbound)
        );
    }
    if chains.broken == 0 {
        return format!(
            "{application} passes the headers of traces on: {} of its {} are part of the trace of one that it answered.\n",
            chains.continued,
            requests(chains.outbound)
        );
    }
    let mut text = format!(
        "{application} does not pass the headers of traces on: {} of its {} began a trace of their own while it answered \
         one that has a trace. Their spans are not in that trace.\n",
        chains.broken,
        requests(chains.outbound)
    );
    if !chains.missing.is_empty() {
        let missing = printable(&chains.missing.join(", "));
        text.push_str(&format!("It got these and did not pass them on: {missing}\n"));
    }
    for Example { method, authority, path } in &chains.examples {
        let line = printable(&format!("  {method} {authority}{path}"));
        text.push_str(&format!("{line}\n"));
    }
    text.push_str(&format!(
        "To mend it, copy these headers of a request to all requests that are made on its behalf: {HEADERS}. Libraries for \
         tracing do it (OpenTelemetry's with OTEL_PROPAGATORS=tracecontext,b3multi, and x-request-id by hand). \
         docs/tracing.md says more.\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(answer: Value) -> String {
        let pod = PodName {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        verdict(&pod, &serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn a_broken_chain_is_named_with_what_to_do() {
        let said = said(json!({"traced": true, "chains": {
            "inbound": 9, "outbound": 5, "continued": 1, "broken": 4, "missing": ["traceparent", "x-\u{1b}[2J"],
            "examples": [{"method": "GET", "authority": "ratings:9080", "path": "/ratings/0"}],
        }}));
        for part in [
            "shop/web does not pass the headers of traces on: 4 of its 5 requests",
            "did not pass them on: traceparent, x- [2J\n",
            "\n  GET ratings:9080/ratings/0\n",
            "x-b3-traceid",
            "docs/tracing.md",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn what_is_in_order_or_not_known_is_not_blamed() {
        let chains = |chains: Value| said(json!({"traced": true, "chains": chains}));
        for (said, expected) in [
            (said(json!({})), "traces nothing"),
            (chains(json!({"outbound": 7})), "no request so far"),
            (chains(json!({"inbound": 7, "outbound": 2})), "there is nothing"),
            (
                chains(json!({"inbound": 7, "outbound": 3, "continued": 3})),
                "passes the headers of traces on: 3 of its 3 requests",
            ),
        ] {
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("does not pass"), "{said}");
        }
    }
}
