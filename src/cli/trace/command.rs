//! The subcommands.

use std::process::ExitCode;

use clap::Subcommand;

use super::{check, show};

const EXAMPLES: &str = "\
Examples:
  pillion trace show --service istio-ingressgateway.istio-system
  pillion trace show 4bf92f3577b34da6a3ce929d0e0e4736
  pillion trace check deploy/reviews-v2 -n bookinfo

show reads the store behind the Service `tracing` (Jaeger or Zipkin, samples/addons), check the proxy's port 15000, both
through the API server. That needs permission to get and create pods/portforward in the namespace of the pod that is asked;
show also needs to get Services and to list pods there.

check ends with the exit code 1 if the application does not pass the headers of traces on, and with 0 if it does, or if too
little has been seen to say so.";

/// Arguments of `pillion trace`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show a trace as a tree: the newest of a service, or one by its id.
    Show(Box<show::Args>),
    /// Show whether the application of a workload passes the headers of traces on.
    Check(Box<check::Args>),
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Show(args) => args.run().await,
            What::Check(args) => args.run().await,
        }
    }
}
