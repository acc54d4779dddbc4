//! The protocol, at both ends: by themselves, against each other, and against a peer that
//! keeps to nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod calls;
mod client;
mod convergence;
mod delta_server;
mod hostile_client;
mod hostile_server;
mod over_tls;
mod resumed;
mod sotw_server;
mod support;
mod wire;
