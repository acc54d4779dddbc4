//! A connection of TCP or in memory, which does what the one of TCP does: what is tested with it
//! is what runs without it.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::memory::End;

/// A connection of the proxy.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Memory(End),
}

impl Stream {
    /// The address of the proxy's end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr(),
            Self::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
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
            Self::Memory(end) => Pin::new(end).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Memory(end) => end.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Memory(end) => Pin::new(end).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
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
    use crate::net::memory::{Taking, pair};

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

        let taking = Taking {
            most: usize::MAX,
            hesitates: false,
        };
        let (end, player) = pair(taking);
        sends_two_slices_at_once(Stream::Memory(end)).await;
        assert_eq!(player.received(), b"headbody");
    }
}
