//! Pillion in a real cluster, in which pods run: one node for all of these tests, and a namespace for each of them.
//! `CONTRIBUTING.md` describes how to run them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod agent;
mod api_server;
mod as_written;
mod bookinfo;
mod capture;
mod command_line;
mod counters;
mod discovery;
mod gateway_under_load;
mod harness;
mod injector;
mod kubectl;
mod lifecycle;
mod mutual_tls;
mod probes;
mod proxy;
mod registry;
mod release;
mod rolling_update;
mod rules_under_load;
mod scaling;
mod services;
mod tcp_routes;
mod tracing;
mod tunnels;
mod weighted;
