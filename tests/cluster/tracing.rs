//! Traces in a real Jaeger and a real Zipkin.

pub mod bookinfo;
mod chains;
mod collector;
mod made;
mod outcomes;
mod providers;
mod sampling;
