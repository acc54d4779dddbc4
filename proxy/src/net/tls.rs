//! A connection of TCP with TLS on it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use rustls::CommonState;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsStream as Inner, client, server};

use super::read_ahead::ReadAhead;

/// A connection whose handshake is done. What is written may wait for a flush.
#[derive(Debug)]
pub(crate) struct TlsStream(Inner<ReadAhead>);

impl TlsStream {
    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        self.0.get_ref().0.tcp()
    }

    /// What has been agreed on.
    pub fn state(&self) -> &CommonState {
        self.0.get_ref().1
    }
}

impl From<client::TlsStream<ReadAhead>> for TlsStream {
    fn from(stream: client::TlsStream<ReadAhead>) -> Self {
        Self(stream.into())
    }
}

impl From<server::TlsStream<ReadAhead>> for TlsStream {
    fn from(stream: server::TlsStream<ReadAhead>) -> Self {
        Self(stream.into())
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
