//! Mutual TLS between workloads: each end proves its [`SpiffeId`](crate::SpiffeId), and no name of
//! a host matters.
//!
//! - [`WorkloadKey`]: a workload's private key, which asks for a certificate.
//! - [`Identity`]: a workload's certificate and key.
//! - [`Trust`]: whose certificates are accepted.
//! - [`server_config`] and [`client_config`]: rustls' configurations of both ends.
//! - [`EndpointConfigs`]: a client's configurations for the endpoints of services, each with
//!   sessions of its own.
//! - [`control_plane_config`]: the same for clients of the control plane.
//! - [`outside_client_config`]: the configuration of clients of servers outside the mesh, which prove
//!   the name of a host.
//! - [`Description`]: what a certificate says, for those who look.
//! - [`Peer`]: who is at the other end.
//! - [`PeerFault`]: why the other end is refused.
//! - [`try_out`]: whether both ends would take a certificate.
//!
//! # Sessions
//!
//! Servers give their clients tickets, by which the next handshake resumes the session: it costs
//! no signature, and it does not check the client's certificate again. So
//!
//! - a ticket is of no use once what the server accepts has changed: its key is mixed with the
//!   [`Trust`] and the names that the server takes, also if the [`Tickets`] stay the same;
//! - a ticket is of no use an hour after it was given, at the latest;
//! - a certificate may expire in between: [`Peer::admit`] checks that after each handshake.
//!
//! On the client's side, rustls itself resumes no session of another configuration.

mod certificate;
mod client;
mod control_plane;
mod description;
mod endpoints;
mod fault;
mod identity;
mod key;
mod outside;
mod peer;
mod provider;
mod san;
mod server;
mod sessions;
mod tickets;
mod trial;
mod trust;
mod verifier;

pub use client::{ClientSettings, client_config};
pub use control_plane::control_plane_config;
pub use description::Description;
pub use endpoints::{EndpointConfig, EndpointConfigs};
pub use fault::PeerFault;
pub use identity::Identity;
pub use key::WorkloadKey;
pub use outside::{OutsideName, OutsideProof, OutsideRoots, outside_client_config};
pub use peer::Peer;
pub use san::SanMatch;
pub use server::{ServerSettings, server_config};
pub use tickets::Tickets;
pub use trial::try_out;
pub use trust::Trust;
