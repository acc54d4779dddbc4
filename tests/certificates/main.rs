//! The injector's certificates, against a real API server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod clients;
#[path = "../support/eventually.rs"]
mod eventually;
// Shared: not every test uses all of it.
#[allow(dead_code)]
#[path = "../support/injector_process.rs"]
mod injector_process;
mod installation;
mod load;
mod mounted;
mod own;
mod tls;

use eventually::eventually;
