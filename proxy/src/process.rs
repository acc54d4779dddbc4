//! The process around the traffic, which a sidecar and a gateway share.
//!
//! One thread (`control`) serves the ports of the kubelet, of Prometheus and of the
//! administrator, and takes the signals. The workers carry the traffic, each on a thread
//! of its own with sockets of its own, and share nothing that a connection would wait for.

mod app_probes;
mod args;
mod beside;
mod capacity;
mod connection;
mod detect;
mod discovery;
mod drain;
mod entrance;
mod environment;
mod port_numbers;
mod ports;
mod proxy_config;
mod refusal;
mod run;
mod scrape;
mod tcp;
mod worker;

pub use self::args::Args;
pub(crate) use self::{
    beside::Beside,
    entrance::{Entrance, Entrances},
    port_numbers::{ADMIN, INBOUND, OUTBOUND, PROMETHEUS, is_own},
    ports::{NoAnswer, Orders, Ports, ask_envoy},
    run::run,
};
