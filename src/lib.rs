//! Pillion's control plane and command line.
//!
//! A pod goes one way: API server → [`webhook`] → [`pillion_inject`] → JSON Patch. The
//! [`injector`] role runs the webhook in a cluster and keeps its configuration
//! and certificates current; [`cli`] applies the same injection to files.
//! `ARCHITECTURE.md` has the whole picture.

pub mod cli;
mod cluster;
mod error_chain;
pub mod injector;
pub mod metrics;
pub mod webhook;

pub use error_chain::error_chain;
