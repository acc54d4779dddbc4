//! Two workloads that speak mutual TLS with each other, in memory.

mod handshakes;
mod old;
mod refusals;
mod sessions;
mod support;
