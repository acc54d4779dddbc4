//! The sidecar: it carries the captured traffic of the pod that it is in.

use std::process::ExitCode;

use crate::{
    kind::Kind,
    process::{self, Entrance, INBOUND, OUTBOUND},
    traffic::Direction,
};

/// Runs the sidecar until it is told to end.
///
/// # Errors
///
/// When a port can't be used, or the system has no more threads.
pub(crate) fn run(args: &process::Args) -> anyhow::Result<ExitCode> {
    process::run(args, Kind::Sidecar, |entrances| {
        entrances.open(Entrance::Captured(Direction::Outbound), OUTBOUND)?;
        entrances.open(Entrance::Captured(Direction::Inbound), INBOUND)
    })
}
