//! Whole requests over loopback: raw bytes on both sides of the pipeline.

mod bodies;
mod failures;
mod gateway;
mod generations;
pub(crate) mod harness;
mod hostile;
mod http1;
mod http2;
mod limits;
mod policies;
mod refused;
mod retries;
mod routes;
mod timeouts;
mod tracing;
mod tunnels;
mod upgrades;
