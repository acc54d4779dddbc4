//! The sidecar's own ports, asked in a network namespace with a pod's address.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "ports/application.rs"]
mod application;
#[path = "ports/pod.rs"]
mod pod;
#[path = "network/program.rs"]
mod program;

/// Runs the rest of the test in a namespace of its own, or says loudly that there can't be one.
macro_rules! in_namespace {
    () => {
        if !pod::enter() {
            return;
        }
    };
}

#[path = "ports/access_log.rs"]
mod access_log;
#[path = "ports/admin.rs"]
mod admin;
#[path = "ports/metrics.rs"]
mod metrics;
#[path = "ports/probes.rs"]
mod probes;
