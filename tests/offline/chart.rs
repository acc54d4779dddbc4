//! The chart, rendered by a real helm.

mod config;
mod crds;
mod gateways;
mod objects;
mod render;
