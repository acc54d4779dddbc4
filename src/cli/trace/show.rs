//! `pillion trace show`.

use std::{fs, io::Read, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};

use super::{
    backend::Backend,
    id::TraceId,
    jaeger,
    span::Trace,
    tree,
    zipkin::{self, Stored},
};
use crate::{
    cli::{config_source::ConnectArgs, json, output},
    text::printable,
};

/// The first in most traces.
const GATEWAY: &str = "istio-ingressgateway";
/// How many services are named if none has the name that is given.
const NAMED: usize = 20;

/// Arguments of `pillion trace show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The id of the trace [default: the newest of the service].
    #[arg(value_name = "TRACE", conflicts_with_all = ["service", "file"])]
    trace: Option<TraceId>,
    /// The service, as NAME.NAMESPACE, whose newest trace is shown [default: istio-ingressgateway, in the namespace of
    /// --istioNamespace].
    #[arg(short = 's', long, value_name = "SERVICE", conflicts_with = "file")]
    service: Option<String>,
    /// The namespace of the service, if its name has none.
    #[arg(short = 'n', long, value_name = "NAMESPACE", requires = "service")]
    namespace: Option<String>,
    /// A file with what Jaeger (/api/traces/TRACE) or Zipkin (/api/v2/trace/TRACE) answers; - for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The namespace of the Service `tracing`.
    #[arg(
        short = 'i',
        long = "istioNamespace",
        value_name = "NAMESPACE",
        default_value = "istio-system"
    )]
    istio_namespace: String,
    #[command(flatten)]
    cluster: ConnectArgs,
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let trace = match &self.file {
            Some(file) => from_file(file)?,
            None => self.ask_store().await?,
        };
        output::write(None, &tree::format(&trace))?;
        Ok(ExitCode::SUCCESS)
    }

    /// As spans have it.
    fn service(&self) -> String {
        match (&self.service, &self.namespace) {
            (None, _) => format!("{GATEWAY}.{}", self.istio_namespace),
            (Some(name), Some(namespace)) if !name.contains('.') => format!("{name}.{namespace}"),
            (Some(name), _) => name.clone(),
        }
    }

    async fn ask_store(&self) -> anyhow::Result<Trace> {
        let client = self.cluster.client().await;
        let client = client.context("cannot connect to the cluster")?;
        let store = Backend::find(client, &self.istio_namespace).await?;
        if let Some(id) = &self.trace {
            let found = store.trace(id).await?;
            return found.with_context(|| {
                format!(
                    "the store has no trace {id}: it is not stored yet, was not sampled, or is older than what the store keeps"
                )
            });
        }
        let service = self.service();
        if let Some(found) = store.newest(&service).await? {
            return Ok(found);
        }
        let known = store.services().await?;
        let known: Vec<_> = known
            .iter()
            .take(NAMED)
            .map(|name| printable(name))
            .collect();
        bail!(
            "the store has no trace of {} in the last two days; {}. A request is traced only if it is sampled: 1 % are by \
             default (docs/tracing.md)",
            printable(&service),
            if known.is_empty() {
                "it knows no service".to_owned()
            } else {
                format!("it knows {}", known.join(", "))
            }
        )
    }
}

fn from_file(file: &PathBuf) -> anyhow::Result<Trace> {
    let text = if file.as_os_str() == "-" {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).map(|_| text)
    } else {
        fs::read(file)
    };
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    let trace = read(&text).with_context(|| format!("cannot read {}", file.display()))?;
    trace.with_context(|| format!("{} has no trace in it", file.display()))
}

/// Jaeger's answer is an object, Zipkin's a list.
fn read(text: &[u8]) -> anyhow::Result<Option<Trace>> {
    if text.trim_ascii_start().starts_with(b"[") {
        return Ok(zipkin::trace(json::parse::<Vec<Stored>>(text)?));
    }
    let traces = json::parse::<jaeger::Answer>(text)?.traces();
    Ok(traces.into_iter().max_by_key(Trace::start))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Show {
        #[command(flatten)]
        args: Args,
    }

    fn service_of(arguments: &[&str]) -> Result<String, clap::error::ErrorKind> {
        let shown = Show::try_parse_from([&["show"][..], arguments].concat());
        shown
            .map(|show| show.args.service())
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_service_is_the_one_that_is_named_or_the_gateway() {
        for (arguments, service) in [
            (&[][..], "istio-ingressgateway.istio-system"),
            (&["-i", "mesh"][..], "istio-ingressgateway.mesh"),
            (&["-s", "web.shop"][..], "web.shop"),
            (&["-s", "web", "-n", "shop"][..], "web.shop"),
            (&["-s", "web.shop", "-n", "other"][..], "web.shop"),
        ] {
            assert_eq!(service_of(arguments), Ok(service.to_owned()));
        }
        // A namespace alone would have shown the gateway's trace.
        assert!(service_of(&["-n", "shop"]).is_err());
        assert!(service_of(&["7", "-s", "web.shop"]).is_err());
    }

    #[test]
    fn reads_what_either_store_answers() {
        let zipkin = br#" [{"traceId": "1", "id": "a"}]"#;
        assert_eq!(read(zipkin).unwrap().unwrap().id, "1");
        let jaeger = br#"{"data": [{"spans": [{"traceID": "2", "spanID": "a", "operationName": "x",
            "startTime": 1, "duration": 1}]}]}"#;
        assert_eq!(read(jaeger).unwrap().unwrap().id, "2");
        for none in [&b"[]"[..], br#"{"data": []}"#] {
            assert!(read(none).unwrap().is_none());
        }
        assert!(read(b"<html>").is_err());
    }
}
