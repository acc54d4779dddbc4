//! A connection's stream, which watches the bytes that it receives.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    activity::Activity,
    frames::{Allowance, Meter},
};

/// The stream below HTTP, behind TLS.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    /// Only HTTP/2 has frames.
    meter: Option<Meter>,
}

impl<S> Watched<S> {
    /// Notes when a request's head begins.
    pub(crate) fn http1(stream: S, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            activity,
            meter: None,
        }
    }

    /// Fails on a flood of frames.
    pub(crate) fn http2(stream: S, activity: Arc<Activity>, allowance: Allowance) -> Self {
        Self {
            stream,
            activity,
            meter: Some(Meter::of_client(allowance)),
        }
    }

    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(meter) = &mut self.meter else {
            self.activity.bytes_received();
            return Ok(());
        };
        let conduct = &self.activity.conduct;
        let reading = meter.read(bytes, conduct.take_successes());
        conduct.set_frames(reading);
        if reading.flooded {
            return Err(io::Error::other("too many HTTP/2 frames"));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match buf.filled() {
            filled if filled.len() > before => match self.received(&filled[before..]) {
                Ok(()) => read,
                Err(flood) => Poll::Ready(Err(flood)),
            },
            _ => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
