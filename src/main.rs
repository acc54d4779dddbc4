//! The `pillion` binary.

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    pillion::cli::run(pillion::cli::Cli::parse()).await
}
