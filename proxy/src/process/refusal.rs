//! Why a connection is reset whose bytes would be passed on.

use std::{io, net::SocketAddr};

use crate::{
    records::{ResponseFlag, connect_failure, tls_failure},
    tables::TcpRefusal,
    transport::TlsFailure,
};

/// What stood between a connection and its server.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No listener is for where the client was going.
    NoListener,
    /// The listener has no route for the connection.
    NoRoute,
    /// The client speaks plaintext where it has to prove who it is.
    Plaintext,
    /// The client has said nothing in time where it has to prove who it is.
    Silent,
    /// The client has not proved who it is.
    Handshake(TlsFailure),
    /// The tables say so.
    ByTables(TcpRefusal),
    /// The control plane has not said in time where the connection goes.
    TimedOut,
    /// The route cites a cluster that there is not.
    NoCluster,
    /// It goes to the cluster for what may not be passed on.
    Blocked,
    /// The cluster has no endpoint.
    NoEndpoint,
    /// The cluster has as many connections as it may have.
    Overflow,
    /// The server could not be reached.
    Connect { to: SocketAddr, error: io::Error },
    /// The server has not proved who it is, or has something to object.
    Tls { to: SocketAddr, failure: TlsFailure },
}

impl Refusal {
    /// Envoy's response flag.
    pub fn flag(&self) -> ResponseFlag {
        match self {
            Self::NoListener
            | Self::NoRoute
            | Self::Plaintext
            | Self::Silent
            | Self::ByTables(_) => ResponseFlag::NoRouteFound,
            Self::Handshake(_) => ResponseFlag::DownstreamProtocolError,
            Self::TimedOut | Self::NoCluster => ResponseFlag::NoClusterFound,
            Self::Blocked | Self::NoEndpoint => ResponseFlag::NoHealthyUpstream,
            Self::Overflow => ResponseFlag::UpstreamOverflow,
            Self::Connect { .. } | Self::Tls { .. } => ResponseFlag::UpstreamConnectionFailure,
        }
    }

    /// What the access log and the metrics call it. Where the reason is one of a request, too, it
    /// is called the same there, but for Envoy's prefix.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoListener => "listener_not_found",
            // Envoy's own.
            Self::NoRoute => "filter_chain_not_found",
            Self::Plaintext => "plaintext",
            Self::Silent => "silent",
            Self::Handshake(failure) | Self::Tls { failure, .. } => failure.kind(),
            Self::ByTables(TcpRefusal::NotConfigured) => "not_configured",
            Self::ByTables(TcpRefusal::Unusable) => "configuration_refused",
            Self::TimedOut => "configuration_timeout",
            Self::NoCluster => "cluster_not_found",
            Self::Blocked => "blocked",
            Self::NoEndpoint => "no_healthy_upstream",
            Self::Overflow => "overflow",
            Self::Connect { .. } => "connection_failure",
        }
    }

    /// The server that could not be used, and why not.
    pub fn server(&self) -> Option<(SocketAddr, String)> {
        match self {
            Self::Connect { to, error } => Some((*to, connect_failure(error))),
            Self::Tls { to, failure } => Some((*to, tls_failure(failure))),
            _ => None,
        }
    }
}
