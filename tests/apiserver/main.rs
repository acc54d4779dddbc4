//! The chart and the built injector together, on a real API server: what users
//! get when they create pods.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod accepted;
mod check_inject;
mod configuration;
#[path = "../support/eventually.rs"]
mod eventually;
mod guards;
// Shared: not every test uses all of it.
#[allow(dead_code)]
#[path = "../support/injector_process.rs"]
mod injector_process;
mod installation;
mod pod_security;
mod refused;
mod untouched;
mod who_is_injected;

use eventually::eventually;
