//! Whole requests over loopback: raw bytes on both sides of the pipeline.

mod bodies;
mod failures;
mod harness;
mod hostile;
mod http1;
mod http2;
mod retries;
mod tunnels;
mod upgrades;
