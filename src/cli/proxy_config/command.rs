//! The subcommands.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{
    args::{Output, Source},
    clusters, endpoints, listeners, routes, secrets,
};
use crate::cli::{config_dump, json, output};

const EXAMPLES: &str = "\
Examples:
  pillion proxy-config listeners productpage-v1-5d8f9-x2x7q.bookinfo --port 9080
  pillion proxy-config routes deploy/productpage-v1 -n bookinfo --name 9080 --domain reviews
  pillion proxy-config clusters productpage-v1-5d8f9-x2x7q.bookinfo --fqdn reviews.bookinfo.svc.cluster.local
  pillion proxy-config secret productpage-v1-5d8f9-x2x7q.bookinfo
  pillion proxy-config endpoints productpage-v1-5d8f9-x2x7q.bookinfo --cluster 'outbound|9080||reviews.bookinfo.svc.cluster.local'

The proxy's port 15000 is read through the API server, which needs permission to get the pod, and to get and create
pods/portforward in its namespace; for a workload, also to get that and to list pods.";

const CONFIG_DUMP: &str = "/config_dump";
const CERTS: &str = "/certs";
const CLUSTERS: &str = "/clusters?format=json";

/// Arguments of `pillion proxy-config`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Where traffic comes from, and what becomes of it.
    #[command(visible_aliases = ["listener", "l"])]
    Listeners {
        #[command(flatten)]
        filter: listeners::Filter,
        #[command(flatten)]
        source: Source,
    },
    /// Which requests go to which cluster.
    #[command(visible_aliases = ["route", "r"])]
    Routes {
        #[command(flatten)]
        filter: routes::Filter,
        #[command(flatten)]
        source: Source,
    },
    /// The destinations, and their subsets.
    #[command(visible_aliases = ["cluster", "c"])]
    Clusters {
        #[command(flatten)]
        filter: clusters::Filter,
        #[command(flatten)]
        source: Source,
    },
    /// The addresses behind the destinations.
    #[command(visible_aliases = ["endpoint", "ep"])]
    Endpoints {
        #[command(flatten)]
        filter: endpoints::Filter,
        #[command(flatten)]
        source: Source,
    },
    /// The proxy's own certificate and the roots that it trusts; never its key.
    #[command(name = "secret", visible_aliases = ["secrets", "s"])]
    Secrets {
        #[command(flatten)]
        source: Source,
    },
    /// All of these, but the secrets.
    #[command(visible_alias = "a")]
    All {
        #[command(flatten)]
        source: Source,
    },
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let text = match self.what {
            What::Listeners { filter, source } => {
                let dump = config_dump(&source).await?;
                let found = filter.select(&dump);
                show(&source, &found, listeners::table)?
            }
            What::Routes { filter, source } => {
                let dump = config_dump(&source).await?;
                let found = filter.select(&dump);
                show(&source, &found, |found| filter.table(found))?
            }
            What::Clusters { filter, source } => {
                let dump = config_dump(&source).await?;
                let found = filter.select(&dump);
                show(&source, &found, clusters::table)?
            }
            What::Endpoints { filter, source } => {
                let statuses = source.proxy().await?.get(CLUSTERS).await?;
                if !statuses["cluster_statuses"].is_array() {
                    bail!(
                        "this is not what a proxy answers to {CLUSTERS}: it has no cluster_statuses"
                    );
                }
                let found = filter.select(&statuses);
                show(&source, &found.iter().collect::<Vec<_>>(), endpoints::table)?
            }
            What::Secrets { source } => {
                let found = source.proxy().await?.get(CERTS).await?;
                if !found["certificates"].is_array() {
                    bail!("this is not what a proxy answers to {CERTS}: it has no certificates");
                }
                match source.output {
                    Output::Short => secrets::table(&found, Timestamp::now()),
                    Output::Json => json::pretty(&found)?,
                }
            }
            What::All { source } => all(&source).await?,
        };
        output::write(None, &text)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn config_dump(source: &Source) -> anyhow::Result<Value> {
    let dump = source.proxy().await?.get(CONFIG_DUMP).await?;
    warn(&dump)?;
    Ok(dump)
}

/// Says what the proxy refuses.
fn warn(dump: &Value) -> anyhow::Result<()> {
    if !dump["configs"].is_array() {
        bail!("this is not what a proxy answers to {CONFIG_DUMP}: it has no configs");
    }
    for (name, reason) in config_dump::refused(dump) {
        output::note(&format!(
            "warning: the proxy refuses {name}, and keeps what it had: {reason}"
        ));
    }
    Ok(())
}

fn show(
    source: &Source,
    found: &[&Value],
    table: impl FnOnce(&[&Value]) -> String,
) -> anyhow::Result<String> {
    Ok(match source.output {
        Output::Short => table(found),
        Output::Json => json::pretty(&found)?,
    })
}

async fn all(source: &Source) -> anyhow::Result<String> {
    let proxy = source.proxy().await?;
    let dump = proxy.get("/config_dump?include_eds").await?;
    warn(&dump)?;
    if source.output == Output::Json {
        return json::pretty(&dump);
    }
    let all_routes = routes::Filter::default();
    let mut parts = vec![
        clusters::table(&clusters::Filter::default().select(&dump)),
        listeners::table(&listeners::Filter::default().select(&dump)),
        all_routes.table(&all_routes.select(&dump)),
    ];
    // A dump has no states of endpoints.
    if !source.is_file() {
        let statuses = proxy.get(CLUSTERS).await?;
        let found = endpoints::Filter::default().select(&statuses);
        parts.push(endpoints::table(&found.iter().collect::<Vec<_>>()));
    }
    Ok(parts.join("\n"))
}
