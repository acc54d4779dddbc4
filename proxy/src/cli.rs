//! The command line.

use std::{
    env,
    io::{Write as _, stderr},
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{agent, gateway, init, order, process, service_links, sidecar};

/// Pillion's proxy: traffic capture, the sidecar and the gateway.
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
    Sidecar(process::Args),
    /// Carry traffic at an edge of the mesh, on the ports that Gateways name.
    Gateway(process::Args),
    /// Run a stock Envoy as the sidecar: configure it, give it its certificate, drain it.
    Agent(agent::Args),
    /// Tell the proxy of this pod to drain: it is not ready any more.
    Drain(order::DrainArgs),
    /// Wait until the sidecar beside this container is ready.
    Wait(order::WaitArgs),
    /// Capture the pod's traffic: write the rules that take it to the proxy, then prove them.
    Init(Box<init::Args>),
}

impl Cli {
    /// Reads the process's arguments and variables, those apart that are of Services. It ends
    /// the process where they are wrong, or ask for help.
    #[must_use]
    pub fn of_process() -> Self {
        let (mut command, ignored) =
            service_links::ignore(Self::command(), &|name| env::var_os(name));
        let mut matches = command.get_matches_mut();
        for link in ignored {
            if matches.subcommand_name() == Some(link.command.as_str()) {
                // Nobody may listen, which changes nothing.
                let _ = writeln!(stderr(), "{link}");
            }
        }
        Self::from_arg_matches_mut(&mut matches)
            .unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// Runs the command that the arguments name.
    ///
    /// # Errors
    ///
    /// As the command says.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Sidecar(args) => match agent::of_image() {
                None => sidecar::run(&args),
                Some(envoy) => agent::run(&agent::Args::of_sidecar(args, envoy)),
            },
            Command::Agent(args) => agent::run(&args),
            Command::Gateway(args) => gateway::run(&args),
            Command::Drain(args) => order::drain(&args),
            Command::Wait(args) => order::wait(&args),
            Command::Init(args) => init::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
