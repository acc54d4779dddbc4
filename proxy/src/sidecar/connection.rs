//! One captured connection, from its original destination to its end.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpStream;

use super::port_numbers;
use crate::{
    metrics::Metrics,
    net::{
        original_dst::original_dst,
        socket::{INBOUND_SOURCE_V4, INBOUND_SOURCE_V6, connect, reset_when_dropped},
    },
    tcp::relay::relay,
    traffic::Direction,
};

/// How long a connection to the application or to a server may take to come about, as
/// Envoy's `connect_timeout` in Istio.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TCP connection may be silent, as Envoy's TCP proxy has it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

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
    matches!(
        port,
        port_numbers::ADMIN | port_numbers::OUTBOUND | port_numbers::INBOUND
    )
}

/// The application hears from the proxy by an address that is not captured again.
fn source(to: SocketAddr, direction: Direction) -> Option<IpAddr> {
    match (direction, to) {
        (Direction::Outbound, _) => None,
        (Direction::Inbound, SocketAddr::V4(_)) => Some(INBOUND_SOURCE_V4.into()),
        (Direction::Inbound, SocketAddr::V6(_)) => Some(INBOUND_SOURCE_V6.into()),
    }
}
