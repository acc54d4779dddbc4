//! The rules, as proxies see them.

mod authentication;
mod budgets;
mod clusters;
mod endpoints;
mod events;
mod findings;
pub(super) mod fixture;
mod gateway;
mod inbound;
mod listeners;
mod routes;
mod servers;
mod service_entries;
mod tracing;
mod transport;
mod virtual_hosts;
