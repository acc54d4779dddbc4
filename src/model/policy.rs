//! How a cluster's endpoints are used: what is left of DestinationRules once they are
//! merged for a port and a subset.

use std::{sync::Arc, time::Duration};

/// How requests, or connections, are spread over endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoadBalancer {
    /// In turn.
    RoundRobin,
    /// The one with the fewest active requests of two that are drawn.
    LeastRequest,
    /// Any.
    Random,
    /// None: the connection goes where the client sent it.
    Passthrough,
}

/// Limits and times of a cluster's connections: `connectionPool`. `None` is Istio's
/// default, which is no limit, unless a field says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionPool {
    /// `tcp.maxConnections`.
    pub max_connections: Option<u32>,
    /// `tcp.idleTimeout`: without bytes in either direction, for TCP. Default: 1 h.
    pub tcp_idle_timeout: Option<Duration>,
    /// `http.http1MaxPendingRequests`.
    pub max_pending_requests: Option<u32>,
    /// `http.http2MaxRequests`, of all HTTP versions.
    pub max_requests: Option<u32>,
    /// `http.maxRetries`.
    pub max_retries: Option<u32>,
    /// `http.maxRequestsPerConnection`.
    pub max_requests_per_connection: Option<u32>,
    /// `http.idleTimeout`: of a connection without requests, 1 h in Envoy. Default: the pools' own, at most 60 s.
    pub http_idle_timeout: Option<Duration>,
    /// `http.h2UpgradePolicy: UPGRADE`: HTTP/2 to endpoints of an HTTP port.
    pub upgrade_to_http2: bool,
    /// `http.useClientProtocol`: the version that the client speaks.
    pub use_client_protocol: bool,
}

/// TLS towards endpoints, as a DestinationRule says it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientTls {
    /// `DISABLE`: none.
    Disable,
    /// `ISTIO_MUTUAL`: mutual TLS, whatever endpoints speak.
    IstioMutual {
        /// The name that clients ask for; none: the mesh's own.
        sni: Option<Arc<str>>,
        /// The names that servers' certificates may be for; none: those of the service's accounts.
        names: Vec<Arc<str>>,
    },
    /// `SIMPLE` and `MUTUAL`: TLS that is not the mesh's, whatever endpoints speak.
    Outside {
        /// The name that clients ask for; none: the host.
        sni: Option<Arc<str>>,
        /// The names that servers' certificates may be for; none: the one that clients ask for.
        names: Vec<Arc<str>>,
        /// The file with the roots that servers' certificates are checked against; none: the system's.
        roots: Option<Arc<str>>,
        /// Whether servers' certificates are checked.
        verifies: bool,
        /// The certificate that clients show; none with `SIMPLE`.
        certificate: Option<CertificateFiles>,
    },
}

/// The files, in the proxy's container, of a certificate that is not the mesh's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The certificate, and those of the CAs above it.
    pub chain: Arc<str>,
    /// Its key.
    pub key: Arc<str>,
}

/// A cluster's policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How its endpoints are chosen.
    pub load_balancer: LoadBalancer,
    /// How long a connection may take. Default: the mesh's, which is 10 s by default.
    pub connect_timeout: Duration,
    /// Its limits.
    pub pool: ConnectionPool,
    /// TLS towards its endpoints. None: as the endpoints speak it.
    pub tls: Option<ClientTls>,
}
