//! The chart and the built injector together, on a real API server: what users
//! get when they create pods.

mod accepted;
mod check_inject;
mod configuration;
mod guards;
mod installation;
mod pod_security;
mod refused;
mod untouched;
mod who_is_injected;
