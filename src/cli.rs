//! The command line.

mod authn;
mod check_config;
mod check_inject;
mod config_dump;
mod config_source;
mod documents;
mod injector_pods;
mod injector_webhooks;
mod istioctl;
mod json;
mod kube_inject;
mod kube_uninject;
mod manifest;
mod output;
mod port_forward;
mod proxied_pod;
mod proxy_config;
mod proxy_status;
mod table;
mod trace;
mod validity;
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
    after_help = "Exit codes: 0 success, 1 failed or refused (the message says why), 2 invalid usage."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Inject the sidecar into the workloads of a manifest, without the webhook.
    KubeInject(kube_inject::Args),
    /// Remove the sidecar from the workloads of a manifest.
    KubeUninject(kube_uninject::Args),
    /// Show whether each webhook would inject a pod, and why.
    CheckInject(check_inject::Args),
    /// Show which proxies are connected to the discovery service, and whether they have what it sent.
    #[command(visible_alias = "ps")]
    ProxyStatus(proxy_status::Args),
    /// Show the configuration of a proxy: its listeners, routes, clusters and endpoints.
    #[command(visible_alias = "pc")]
    ProxyConfig(Box<proxy_config::Args>),
    /// Show which connections of a pod are mutual TLS, and which object says so.
    Authn(authn::Args),
    /// Show a trace as a tree, and whether an application passes the headers of traces on.
    Trace(trace::Args),
    /// Print the completion script for a shell.
    #[command(after_help = "Example:\n  source <(pillion completions bash)")]
    Completions {
        /// The shell to print completions for.
        shell: clap_complete::Shell,
    },
    /// Run the sidecar injector's webhook.
    Injector(crate::injector::Args),
    /// Run the discovery service, which configures the proxies.
    Discovery(crate::discovery::Args),
}

impl Cli {
    /// Reads the arguments of the process, and ends it if they are invalid.
    #[must_use]
    pub fn from_process() -> Self {
        Self::try_parse().unwrap_or_else(|error| istioctl::explain(error).exit())
    }

    /// Runs the command that the arguments name, and returns the process' exit code.
    ///
    /// # Errors
    ///
    /// Returns an error if the command fails; its message is meant for the user.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::KubeInject(args) => args.run().await,
            Command::KubeUninject(args) => args.run(),
            Command::CheckInject(args) => args.run().await,
            Command::ProxyStatus(args) => args.run().await,
            Command::ProxyConfig(args) => args.run().await,
            Command::Authn(args) => args.run().await,
            Command::Trace(args) => args.run().await,
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "pillion", &mut script);
                output::write(None, &String::from_utf8_lossy(&script))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Discovery(args) => {
                crate::discovery::run(args).await?;
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

    fn said(arguments: &[&str]) -> String {
        let all = ["pillion"].iter().chain(arguments);
        let error = Cli::try_parse_from(all).unwrap_err();
        istioctl::explain(error).to_string()
    }

    #[test]
    fn a_command_of_istioctl_names_what_to_do_instead() {
        for (arguments, instead) in [
            (&["version"][..], "tip: pillion --version prints"),
            (&["analyze", "-n", "shop"], "tip: rules are analysed"),
            (&["install"], "tip: helm does that"),
            (&["secret", "web"], "tip: pillion proxy-config secret POD"),
        ] {
            let said = said(arguments);
            assert!(said.starts_with("error: unrecognized subcommand"), "{said}");
            assert!(said.contains(instead), "{said}");
            assert!(!said.contains("similar"), "{said}");
        }
    }

    #[test]
    fn a_command_that_is_misspelt_is_corrected() {
        let said = said(&["proxy-statu"]);
        assert!(said.contains("'proxy-status'"), "{said}");
    }
}
