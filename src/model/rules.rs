//! Istio's objects with their names resolved, and in the shapes that the answers have.

mod conditions;
mod destination_rule;
mod gateway;
mod headers;
mod http;
mod merge;
mod peer_authentication;
mod tcp;
mod telemetry;
mod virtual_service;
mod weight;

pub(super) use conditions::Place;
pub(super) use destination_rule::DestinationRule;
pub(super) use gateway::{Gateway, Server};
pub(super) use http::{HttpAction, HttpRule, Target};
pub(super) use merge::{HostRules, Merged, Merges, NamedSubset, merge, policy};
pub use peer_authentication::MtlsMode;
pub(super) use peer_authentication::PeerAuthentication;
pub(super) use tcp::TcpRule;
pub(super) use telemetry::Telemetry;
pub(super) use virtual_service::VirtualService;
pub(super) use weight::{Weight, Weights};
