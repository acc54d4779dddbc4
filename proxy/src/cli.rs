//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{init, order, sidecar};

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
    /// Carry the traffic of a pod that `init` has captured.
    Sidecar(sidecar::Args),
    /// Tell the sidecar beside this container to drain: it is not ready any more.
    Drain(order::DrainArgs),
    /// Wait until the sidecar beside this container is ready.
    Wait(order::WaitArgs),
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
            Command::Sidecar(args) => sidecar::run(&args),
            Command::Drain(args) => order::drain(&args),
            Command::Wait(args) => order::wait(&args),
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
