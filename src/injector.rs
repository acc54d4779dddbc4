//! `pillion injector`: the webhook in a cluster, with its configuration, its
//! certificates and the caBundle kept current.

pub mod native;

/// Flags of `pillion injector`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs until SIGTERM or SIGINT, then drains.
///
/// # Errors
///
/// When the role can't start: no cluster, a port in use, a bad first configuration.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let _ = args;
    Ok(())
}
