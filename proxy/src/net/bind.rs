//! Opens the ports of captured traffic, of which each worker has sockets of its own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel has accepted and the worker has not.
const BACKLOG: i32 = 4096;

/// Sockets on all addresses of both families, or of IPv4 alone where there is no IPv6.
/// The kernel spreads connections over the sockets of all workers.
///
/// # Errors
///
/// When the port can't be used.
pub(crate) fn bind(port: u16) -> io::Result<Vec<std::net::TcpListener>> {
    let mut listeners = vec![bind_one(Ipv4Addr::UNSPECIFIED.into(), port)?];
    match bind_one(Ipv6Addr::UNSPECIFIED.into(), port) {
        Ok(listener) => listeners.push(listener),
        Err(error) => tracing::debug!(port, %error, "not listening on IPv6"),
    }
    Ok(listeners)
}

fn bind_one(address: IpAddr, port: u16) -> io::Result<std::net::TcpListener> {
    let address = SocketAddr::new(address, port);
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // What comes by IPv4 has a socket of its own, which knows its original destination.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
