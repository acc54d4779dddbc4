//! Pillion's proxy: it captures a pod's traffic and carries it.
//!
//! It knows no Kubernetes: what it does follows from its arguments, its environment and,
//! later, the resources that a control plane serves over xDS.

pub mod cli;
mod exposition;
mod init;
mod metrics;
mod net;
mod order;
mod sidecar;
mod tcp;
mod traffic;
