//! The command line.

use clap::{Parser, Subcommand};

/// Istio's sidecar service mesh, rebuilt in Rust.
#[derive(Debug, Parser)]
#[command(name = "pillion", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar injector's webhook.
    Injector(crate::injector::Args),
}

/// Runs the command that the arguments name.
///
/// # Errors
///
/// As the command says.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Injector(args) => crate::injector::run(args).await,
    }
}
