//! The command line.

mod check_config;
mod check_inject;
mod config_source;
mod documents;
mod injector_webhooks;
mod kube_inject;
mod kube_uninject;
mod manifest;
mod output;
mod report;
mod workload;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use check_config::check as check_config;
#[doc(hidden)] // for the fuzz target
pub use {kube_inject::inject_text, kube_uninject::uninject_text};

/// Istio's sidecar service mesh, rebuilt in Rust.
#[derive(Debug, Parser)]
#[command(
    name = "pillion",
    version,
    after_help = "Exit codes: 0 done, 1 failed or refused (the message says why), 2 wrong usage."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put the sidecar into workloads of a manifest, without the webhook.
    KubeInject(kube_inject::Args),
    /// Take the sidecar out of workloads of a manifest.
    KubeUninject(kube_uninject::Args),
    /// Say whether each webhook would inject a pod, and why.
    CheckInject(check_inject::Args),
    /// Print a shell's completions.
    #[command(after_help = "Example:\n  source <(pillion completions bash)")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Run the sidecar injector's webhook.
    Injector(crate::injector::Args),
}

impl Cli {
    /// Runs the command that the arguments name.
    ///
    /// # Errors
    ///
    /// As the command says.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::KubeInject(args) => args.run().await,
            Command::KubeUninject(args) => args.run(),
            Command::CheckInject(args) => args.run().await,
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "pillion", &mut script);
                output::write(None, &String::from_utf8_lossy(&script))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Injector(args) => {
                match &args.check {
                    Some(file) => check_config::check(file)?,
                    None => crate::injector::run(args).await?,
                }
                Ok(ExitCode::SUCCESS)
            }
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
