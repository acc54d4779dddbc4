//! Options of sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
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
    let socket = socket(to, from)?;
    match timeout(within, socket.connect(to)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A socket for a connection to an address, from an address if one is given.
fn socket(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpSocket> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_nodelay(true)?;
    if let Some(from) = from {
        // Otherwise each connection takes a port of the address for itself, until a minute after its
        // end, and there are no more than some 28,000 to all ports of the application together
        // (`ip_local_port_range`). A kernel may lack the option, and the connections are as good.
        let _ = setsockopt(&socket, IpBindAddressNoPort, &true);
        socket.bind(SocketAddr::new(from, 0))?;
    }
    Ok(socket)
}

/// Has the connection end with a reset when it is dropped, and not with an orderly close.
pub(crate) fn reset_when_dropped(stream: &TcpStream) {
    // A socket that can't be told is one that is gone.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_source_address_takes_a_port_only_when_it_connects() {
        for address in [IpAddr::V4(INBOUND_SOURCE_V4), Ipv6Addr::LOCALHOST.into()] {
            let listener = TcpListener::bind(SocketAddr::new(address, 0))
                .await
                .unwrap();
            let to = listener.local_addr().unwrap();
            let socket = socket(to, Some(address)).unwrap();
            assert_eq!(socket.local_addr().unwrap(), SocketAddr::new(address, 0));
            let connected = socket.connect(to).await.unwrap();
            let (mut accepted, from) = listener.accept().await.unwrap();
            assert_eq!(connected.local_addr().unwrap(), from);
            assert_eq!(from.ip(), address);
            assert_ne!(from.port(), 0);
            drop(connected);
            assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
