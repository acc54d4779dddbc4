//! The model's answers as Envoy's resources. Pure: equal answers give equal bytes.
//!
//! Names are Istio's. A stock Envoy must accept every resource.

mod chain;
mod cluster;
mod common;
mod endpoints;
mod gateway;
mod http;
mod inbound;
mod inbound_chain;
mod operation;
mod outbound;
mod root_ca;
mod route;
mod route_action;
mod route_match;
mod settings;
mod tls;
mod tracing;

pub(super) use cluster::{black_hole, outbound_cluster, passthrough};
pub(super) use endpoints::load_assignment;
pub(super) use gateway::gateway_listener;
pub(super) use inbound::{inbound_clusters, virtual_inbound};
pub(super) use outbound::{outbound_listener, virtual_outbound};
pub(super) use root_ca::{ROOT_CA, root_ca};
pub(super) use route::route_configuration;
pub(super) use settings::Settings;
