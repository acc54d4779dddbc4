//! Resources as a control plane sends them.

mod any_bytes;
mod cluster;
mod connection_manager;
mod listener;
mod route;
mod route_refusals;
mod tls;
mod tracing;
