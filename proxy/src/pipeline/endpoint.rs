//! The address that a connection to an endpoint is made to, and from.

use std::net::{IpAddr, SocketAddr};

use super::worker::Worker;
use crate::{
    net::socket::{INBOUND_SOURCE_V4, INBOUND_SOURCE_V6},
    pool::Destination,
    tables::{Cluster, Source},
};

/// Where to connect to for an endpoint of that cluster, by its TLS or not, and from which address:
/// connections to the pod's application come from one that is not captured again.
pub(crate) fn destination(
    worker: &Worker,
    cluster: &Cluster,
    address: SocketAddr,
    is_secured: bool,
) -> Destination {
    let trust = worker.transport.trust_number();
    let source: Option<IpAddr> = match (cluster.settings.source, address) {
        (Source::Any, _) => None,
        (Source::Inbound, SocketAddr::V4(_)) => Some(INBOUND_SOURCE_V4.into()),
        (Source::Inbound, SocketAddr::V6(_)) => Some(INBOUND_SOURCE_V6.into()),
    };
    Destination {
        address,
        source,
        mark: cluster.mark.number(),
        secured: is_secured.then_some(trust),
    }
}
