//! The connections that HTTP is spoken on: of TCP, or in memory where fuzz targets play their
//! other ends.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpStream;

use super::socket;
#[cfg(feature = "test-util")]
use super::{either, network};

/// A connection.
#[cfg(not(feature = "test-util"))]
pub(crate) type Stream = TcpStream;
/// A connection.
#[cfg(feature = "test-util")]
pub(crate) type Stream = either::Stream;

/// A connection of TCP.
#[cfg(not(feature = "test-util"))]
pub(crate) fn of_tcp(stream: TcpStream) -> Stream {
    stream
}

/// A connection of TCP.
#[cfg(feature = "test-util")]
pub(crate) fn of_tcp(stream: TcpStream) -> Stream {
    Stream::Tcp(stream)
}

/// Connects, from an address if one is given.
///
/// # Errors
///
/// When the other side refuses, is not reachable, or does not accept in time.
pub(crate) async fn connect(
    to: SocketAddr,
    from: Option<IpAddr>,
    within: Duration,
) -> io::Result<Stream> {
    #[cfg(feature = "test-util")]
    if let Some(played) = network::connect() {
        return Ok(Stream::Memory(played));
    }
    socket::connect(to, from, within).await.map(of_tcp)
}

/// Has the connection end with a reset when it is dropped, and not with an orderly close.
#[cfg(not(feature = "test-util"))]
pub(crate) fn reset_when_dropped(stream: &Stream) {
    socket::reset_when_dropped(stream);
}

/// Has the connection end with a reset when it is dropped, and not with an orderly close.
#[cfg(feature = "test-util")]
pub(crate) fn reset_when_dropped(stream: &Stream) {
    match stream {
        Stream::Tcp(stream) => socket::reset_when_dropped(stream),
        Stream::Memory(end) => end.reset_when_dropped(),
    }
}
