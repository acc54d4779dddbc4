//! Pillion's control plane and command line.
//!
//! A pod goes one way: API server → [`webhook`] → [`inject`] → JSON Patch. The
//! [`injector`] role runs the webhook in a cluster and keeps its configuration
//! and certificates current; [`cli`] applies the same [`inject`] to files.
//! `ARCHITECTURE.md` has the whole picture.

pub mod cli;
mod explain;
pub mod inject;
pub mod injector;
mod json;
pub mod logging;
pub mod metrics;
pub mod webhook;
pub mod yaml;

pub use explain::explain;
