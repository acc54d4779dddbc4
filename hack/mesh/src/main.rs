//! A mesh that is there for the API server alone: Services with rules and pods, and as many simulated proxies as
//! are asked for, each with a stream of its own to the discovery service. And a small one without an API server, for
//! real proxies (`offline`).
//!
//! Proxies are as real ones in all that discovery can tell: TLS, the token of a pod, all clusters and listeners, and
//! the routes and endpoints that these cite by name. They keep nothing of it but names and versions. Others ask for
//! nothing but a certificate (`cold`).

mod certificate;
mod change;
mod cluster;
mod cold;
mod connect;
mod fleet;
mod identity;
mod measure;
mod names;
mod objects;
mod offline;
mod process;
mod proxy;
mod statuses;
mod summary;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the kinds, the namespaces, and this many Services with their rules and pods. Those that are there stay.
    Setup {
        /// Services, with a DestinationRule, a VirtualService and two pods each.
        #[arg(long)]
        services: usize,
    },
    /// Measures a discovery service, and prints rows of Markdown: one about its process, then one for each kind of change.
    Measure(measure::Args),
    /// Measures how soon a discovery service gives proxies their certificates that all ask at once, and prints a row of
    /// Markdown.
    Cold(cold::Args),
    /// Writes what a pod's proxy proves itself by (`istio-token`) and whom it trusts (`root-cert.pem`) into a folder,
    /// and prints the pod's name, its namespace and its address.
    Identity {
        /// The folder.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Configures a real proxy without an API server, by the rules of a small mesh.
    Offline(offline::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    // One that is installed already is the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Args::parse().command).await {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<String> {
    let connect = cluster::Cluster::connect;
    match command {
        Command::Setup { services } => {
            objects::make(&connect().await?, services).await?;
            Ok(String::new())
        }
        Command::Measure(args) => measure::run(&connect().await?, &args).await,
        Command::Cold(args) => cold::run(&connect().await?, &args).await,
        Command::Identity { folder } => identity::write(&connect().await?, &folder).await,
        Command::Offline(args) => {
            offline::run(&args).await?;
            Ok(String::new())
        }
    }
}
