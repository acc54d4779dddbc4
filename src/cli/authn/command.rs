//! The subcommands.

use std::process::ExitCode;

use clap::Subcommand;

use super::check;

const EXAMPLES: &str = "\
Examples:
  pillion authn check deploy/productpage-v1 -n bookinfo
  pillion authn check productpage-v1-5d8f9-x2x7q.bookinfo --to reviews

The first table says what each port of the pod takes, the second how the pod's proxy speaks to each destination.
PERMISSIVE ports take mutual TLS and plaintext, STRICT ones mutual TLS only, DISABLE ones leave TLS to the application. For a
destination, ENDPOINTS is how many speak mutual TLS, of how many there are.

The proxy's port 15000 is read through the API server, which needs permission to get the pod, and to get and create
pods/portforward in its namespace; for a workload, also to get that and to list pods.";

/// Arguments of `pillion authn`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what the ports of a pod take, what the pod speaks to others, and which object says so.
    Check(Box<check::Args>),
}

impl Args {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Check(args) => args.run().await,
        }
    }
}
