//! Two workloads that speak mutual TLS with each other, in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod handshakes;
mod old;
mod refusals;
mod sessions;
mod support;
