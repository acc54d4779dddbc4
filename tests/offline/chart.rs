//! The chart, rendered by a real helm.

mod access;
mod config;
mod crds;
mod gateways;
mod objects;
mod render;
mod values;
mod webhooks;
