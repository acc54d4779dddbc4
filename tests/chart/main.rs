//! The chart, rendered by a real helm and installed on a real API server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod config;
mod helm;
mod install;
mod permissions;
mod render;
