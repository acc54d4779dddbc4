//! The gateway: it takes traffic at an edge of the mesh, on ports that its configuration names.

mod ports;

use std::{process::ExitCode, sync::Arc};

use crate::{kind::Kind, process};

/// Runs the gateway until it is told to end.
///
/// # Errors
///
/// When a port of its own can't be used, or the system has no more threads.
pub(crate) fn run(args: &process::Args) -> anyhow::Result<ExitCode> {
    process::run(args, Kind::Gateway, |entrances| {
        // Nobody awaits it: it goes on until the process ends, whose runtime ends it.
        tokio::spawn(ports::follow(Arc::clone(&entrances)));
        Ok(())
    })
}
