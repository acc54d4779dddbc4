//! Traces in a real Jaeger and a real Zipkin.

mod bookinfo;
mod chains;
mod collector;
mod made;
mod outcomes;
mod providers;
mod sampling;
