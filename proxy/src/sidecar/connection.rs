//! One captured connection, from its original destination to its end.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::{
    CONNECT_TIMEOUT, IDLE_TIMEOUT,
    worker::{INBOUND_PORT, OUTBOUND_PORT},
};
use crate::{
    metrics::Metrics,
    net::{
        original_dst::original_dst,
        socket::{INBOUND_SOURCE_V4, INBOUND_SOURCE_V6, connect, reset_when_dropped},
    },
    tcp::relay::relay,
    traffic::Direction,
};

/// The administrator's port: on loopback, and nobody else's business.
pub(super) const ADMIN_PORT: u16 = 15000;

/// Carries a connection to where it was going.
pub(super) async fn carry(
    stream: TcpStream,
    peer: SocketAddr,
    direction: Direction,
    metrics: &Metrics,
) {
    let to = match original_dst(&stream) {
        Ok(to) => to,
        Err(error) => {
            tracing::debug!(%peer, %error, "the original destination is not known");
            reset_when_dropped(&stream);
            return;
        }
    };
    let way = direction.as_str();
    if is_ours(to.port()) {
        // Whoever connects to these by themselves would be sent around in a circle, or to
        // a port that only the pod itself may reach.
        metrics.refused(direction);
        tracing::debug!(%peer, %to, "refused a {way} connection to the proxy's own port");
        reset_when_dropped(&stream);
        return;
    }
    let server = match connect(to, source(to, direction), CONNECT_TIMEOUT).await {
        Ok(server) => server,
        Err(error) => {
            metrics.connect_failed(direction);
            tracing::debug!(%peer, %to, %error, "can't connect a {way} connection");
            reset_when_dropped(&stream);
            return;
        }
    };
    metrics.tcp_opened(direction);
    let (bytes, end) = relay(stream, server, IDLE_TIMEOUT).await;
    metrics.tcp_closed(direction, bytes);
    tracing::debug!(%peer, %to, bytes.sent, bytes.received, ?end, "a {way} connection has ended");
}

fn is_ours(port: u16) -> bool {
    matches!(port, ADMIN_PORT | OUTBOUND_PORT | INBOUND_PORT)
}

/// The application hears from the proxy by an address that is not captured again.
fn source(to: SocketAddr, direction: Direction) -> Option<IpAddr> {
    match (direction, to) {
        (Direction::Outbound, _) => None,
        (Direction::Inbound, SocketAddr::V4(_)) => Some(INBOUND_SOURCE_V4.into()),
        (Direction::Inbound, SocketAddr::V6(_)) => Some(INBOUND_SOURCE_V6.into()),
    }
}
