//! What the mesh's configuration says about all proxies.

use std::{sync::Arc, time::Duration};

use crate::model::OutboundPolicy;

/// What the mesh's configuration says about all proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::discovery) struct Settings {
    /// The file of the access log; empty for none.
    pub access_log_file: Arc<str>,
    /// The format of its lines; empty for Envoy's own.
    pub access_log_format: Arc<str>,
    /// How long a connection to a destination that the mesh does not know may take.
    pub connect_timeout: Duration,
    /// What becomes of destinations that the mesh does not know.
    pub outbound: OutboundPolicy,
    /// The trust domains of clients that sidecars let in by mutual TLS; none: there is no mutual TLS.
    pub mutual_tls: Option<Vec<Arc<str>>>,
    /// How many proxies in front of gateways are trusted to say who the client is.
    pub trusted_proxies: u32,
}
