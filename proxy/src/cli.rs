//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::init;

/// Pillion's proxy: traffic capture and the sidecar.
#[derive(Debug, Parser)]
#[command(
    name = "pillion-proxy",
    version,
    after_help = "Exit codes: 0 done, 1 failed (the message says why), 2 wrong usage."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Capture the pod's traffic: write the rules that take it to the proxy, then prove them.
    Init(Box<init::Args>),
}

impl Cli {
    /// Runs the command that the arguments name.
    ///
    /// # Errors
    ///
    /// As the command says.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Init(args) => init::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
