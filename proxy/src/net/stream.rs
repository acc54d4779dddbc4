//! The connections that bytes and HTTP are carried on: of TCP, with TLS on it or without, or in
//! memory where fuzz targets play their other ends.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

#[cfg(feature = "test-util")]
use super::memory::End;
#[cfg(feature = "test-util")]
use super::network;
use super::{socket, tls::TlsStream};

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    #[cfg(feature = "test-util")]
    Memory(End),
}

impl Stream {
    /// The address of the proxy's end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr(),
            Self::Tls(stream) => stream.tcp().local_addr(),
            #[cfg(feature = "test-util")]
            Self::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The socket, where its bytes are those that are carried.
    pub fn plain(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            _ => None,
        }
    }
}

/// A connection of TCP.
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
pub(crate) fn reset_when_dropped(stream: &Stream) {
    match stream {
        Stream::Tcp(stream) => socket::reset_when_dropped(stream),
        Stream::Tls(stream) => socket::reset_when_dropped(stream.tcp()),
        #[cfg(feature = "test-util")]
        Stream::Memory(end) => end.reset_when_dropped(),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            #[cfg(feature = "test-util")]
            Self::Memory(end) => Pin::new(end).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
            #[cfg(feature = "test-util")]
            Self::Memory(end) => Pin::new(end).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, slices),
            #[cfg(feature = "test-util")]
            Self::Memory(end) => Pin::new(end).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            #[cfg(feature = "test-util")]
            Self::Memory(end) => end.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
            #[cfg(feature = "test-util")]
            Self::Memory(end) => Pin::new(end).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            #[cfg(feature = "test-util")]
            Self::Memory(end) => Pin::new(end).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Without that, heads and bodies go out apart.
    async fn sends_two_slices_at_once(mut stream: Stream) {
        assert!(stream.is_write_vectored());
        let slices = [IoSlice::new(b"head"), IoSlice::new(b"body")];
        assert_eq!(stream.write_vectored(&slices).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn slices_go_out_together() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap());
        let (connected, accepted) = tokio::join!(connected, listener.accept());
        sends_two_slices_at_once(Stream::Tcp(connected.unwrap())).await;
        let mut received = Vec::new();
        let (mut accepted, _) = accepted.unwrap();
        accepted.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"headbody");
    }

    #[cfg(feature = "test-util")]
    #[tokio::test]
    async fn slices_go_out_together_in_memory() {
        use crate::net::memory::{Taking, pair};

        let taking = Taking {
            most: usize::MAX,
            hesitates: false,
        };
        let (end, player) = pair(taking);
        sends_two_slices_at_once(Stream::Memory(end)).await;
        assert_eq!(player.received(), b"headbody");
    }
}
