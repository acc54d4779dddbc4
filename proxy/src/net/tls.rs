//! A connection of TCP with TLS on it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use rustls::{CommonState, Error};
use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsStream as Inner, client, server};

use super::{
    read_ahead::{ReadAhead, WithoutContent},
    tls_alert::TlsAlert,
};

/// A connection whose handshake is done. What is written may wait for a flush.
#[derive(Debug)]
pub(crate) struct TlsStream {
    inner: Inner<ReadAhead>,
    /// Counts connections whose client has broken the rules of TLS, until this one is counted.
    violations: Option<Arc<AtomicU64>>,
    /// What came behind the content that was read last.
    error: Option<io::Error>,
}

impl TlsStream {
    /// With a client, which is counted there if it breaks the rules.
    pub fn with_client(stream: server::TlsStream<ReadAhead>, violations: &Arc<AtomicU64>) -> Self {
        Self {
            inner: stream.into(),
            violations: Some(Arc::clone(violations)),
            error: None,
        }
    }

    fn count(&mut self, error: &io::Error) {
        if is_violation(error)
            && let Some(violations) = self.violations.take()
        {
            violations.fetch_add(1, Relaxed);
        }
    }

    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        self.inner.get_ref().0.tcp()
    }

    /// What has been agreed on.
    pub fn state(&self) -> &CommonState {
        self.inner.get_ref().1
    }
}

impl From<client::TlsStream<ReadAhead>> for TlsStream {
    fn from(stream: client::TlsStream<ReadAhead>) -> Self {
        Self {
            inner: stream.into(),
            violations: None,
            error: None,
        }
    }
}

/// Whether that error says that the other side has broken the rules of TLS. One that ends the
/// connection by an alert has not.
fn is_violation(error: &io::Error) -> bool {
    let inner = error.get_ref();
    let is_of_tls = inner.is_some_and(|inner| inner.is::<Error>() || inner.is::<WithoutContent>());
    is_of_tls && TlsAlert::of_io(error).is_none()
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.error.take() {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        // Record by record, so that it is known how much comes without content.
        while buffer.remaining() > 0 {
            let is_empty = buffer.filled().len() == before;
            match Pin::new(&mut this.inner).poll_fill_buf(context) {
                Poll::Ready(Ok([])) => break,
                Poll::Ready(Ok(content)) => {
                    let length = content.len().min(buffer.remaining());
                    buffer.put_slice(&content[..length]);
                    Pin::new(&mut this.inner).consume(length);
                    this.inner.get_mut().0.had_content();
                }
                Poll::Ready(Err(error)) => {
                    this.count(&error);
                    if is_empty {
                        return Poll::Ready(Err(error));
                    }
                    this.error = Some(error);
                    break;
                }
                Poll::Pending if is_empty => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
