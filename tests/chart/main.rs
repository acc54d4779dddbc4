//! The chart, rendered by a real helm and installed on a real API server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod account;
mod certificates;
mod config;
#[path = "../support/eventually.rs"]
mod eventually;
mod helm;
// Shared: not every test uses all of it.
#[allow(dead_code)]
#[path = "../support/injector_process.rs"]
mod injector_process;
mod install;
mod misuse;
mod permissions;
mod render;
mod running;

use eventually::eventually;
