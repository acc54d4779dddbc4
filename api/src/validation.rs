//! Whether a spec can work: what Istio's validation refuses, and what is not built yet.

mod addresses;
mod client_tls;
mod destination;
mod destination_rule;
mod gateway;
mod gateway_tls;
mod headers;
mod http;
mod http_actions;
mod in_part;
mod limits;
mod matches;
mod multiplied;
mod names;
mod peer_authentication;
mod service_entry;
mod shadowed;
mod tcp;
mod telemetry;
mod virtual_service;

pub(crate) use destination_rule::destination_rule;
pub(crate) use gateway::gateway;
pub(crate) use gateway_tls::refuse as refuse_tls_at_gateways;
pub use in_part::peer_authentication_in_part;
pub(crate) use peer_authentication::peer_authentication;
pub use peer_authentication::port_number;
pub(crate) use service_entry::service_entry;
pub use telemetry::custom_tags;
pub(crate) use telemetry::telemetry;
pub(crate) use virtual_service::virtual_service;
