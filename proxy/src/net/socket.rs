//! Options of sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// The address that connections to the application come from (Istio's). Packets from it
/// are not captured again, and an application can tell them from others.
pub(crate) const INBOUND_SOURCE_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same for IPv6.
pub(crate) const INBOUND_SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);

/// Connects, from an address if one is given.
///
/// # Errors
///
/// When the other side refuses, is not reachable, or does not accept in time.
pub(crate) async fn connect(
    to: SocketAddr,
    from: Option<IpAddr>,
    within: Duration,
) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    match timeout(within, socket.connect(to)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Has the connection end with a reset when it is dropped, and not with an orderly close.
pub(crate) fn reset_when_dropped(stream: &TcpStream) {
    // A socket that can't be told is one that is gone.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
