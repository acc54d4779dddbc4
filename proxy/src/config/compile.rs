//! Envoy's resources, compiled into what the tables say.
//!
//! Pure functions from bytes: what is asked for and not done is refused by the name of its
//! field. Messages are taken apart field by field, so that none is forgotten.

mod any;
mod balancer;
mod circuit_breakers;
mod citations;
mod client_cert;
mod cluster;
mod collector;
mod connection_manager;
mod custom_tags;
mod dns;
mod fault;
mod filter_chain;
mod filter_chain_match;
mod filters;
mod headers;
mod http2_options;
mod listener;
mod load_assignment;
mod outside;
mod parts;
mod redirect;
mod retry;
mod route;
mod route_action;
mod route_configuration;
mod route_match;
mod scope;
mod secret;
mod service;
mod subject_alt_names;
mod tcp_proxy;
#[cfg(test)]
mod tests;
mod text;
mod tracing;
mod transport_socket;
mod transport_socket_matches;
mod upgrades;
mod upstream_protocol;
mod values;
mod virtual_host;
mod weighted_clusters;

pub(crate) use self::{
    citations::Citations,
    cluster::{Cluster, Discovery, cluster},
    connection_manager::Routes,
    dns::{Dns, Family},
    fault::{Fault, Faults},
    listener::{Listener, Place, Used, listener, refusing_listener},
    load_assignment::{Endpoint, Host, LoadAssignment, Locality, assignment},
    parts::{Part, TlsPart},
    route_configuration::{RouteTable, route_table},
    secret::roots,
    transport_socket::{CERTIFICATE, ROOTS},
    transport_socket_matches::Sockets,
};
