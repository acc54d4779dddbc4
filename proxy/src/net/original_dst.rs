//! Where a captured connection was going.

use std::{io, net::SocketAddr};

use socket2::SockRef;
use tokio::net::TcpStream;

/// The address that the client connected to before iptables redirected the connection
/// (`SO_ORIGINAL_DST`). For a connection that was not redirected, the address that it
/// was accepted at.
///
/// # Errors
///
/// When the kernel can't say: the connection may be gone already.
pub(crate) fn original_dst(stream: &TcpStream) -> io::Result<SocketAddr> {
    let local = stream.local_addr()?;
    let socket = SockRef::from(stream);
    let original = if local.is_ipv4() {
        socket.original_dst_v4()
    } else {
        socket.original_dst_v6()
    };
    match original {
        Ok(address) => address
            .as_socket()
            .ok_or_else(|| io::Error::other("the original destination is not an IP address")),
        // Not in the table of connections that NAT has changed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(local),
        // Without the kernel's NAT there is no such option, and nothing is redirected.
        Err(error) if error.raw_os_error() == Some(ENOPROTOOPT) => Ok(local),
        Err(error) => Err(error),
    }
}

/// "Protocol not available": Linux's number on every architecture that Rust supports but MIPS and SPARC.
const ENOPROTOOPT: i32 = 92;
