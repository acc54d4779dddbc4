//! Pillion's control plane and command line.
//!
//! A pod passes through these parts: API server → [`webhook`] → [`pillion_inject`] → JSON
//! Patch. The [`injector`] role runs the webhook in a cluster and keeps its configuration
//! and certificates up to date; [`cli`] applies the same injection to files. See
//! `ARCHITECTURE.md`.

mod certificates;
pub mod cli;
mod cluster;
mod control_thread;
pub mod discovery;
mod error_chain;
mod flags;
pub mod injector;
pub mod metrics;
pub mod model;
mod reviews;
mod text;
pub mod webhook;

pub use error_chain::error_chain;
