//! The bytes below HTTP/2: those that were read before, and the frames in them counted.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use pillion_serve::{Allowance, Frame, Meter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{endings::Endings, limits::TURN};
use crate::{
    metrics::{Http2, Peer},
    net::tls_alert::TlsAlert,
};

/// What a connection's bytes and its streams tell each other.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Credit for frames that the meter has not taken yet.
    credit: AtomicU32,
    received: AtomicU64,
    written: AtomicU64,
    flood: OnceLock<Frame>,
    leaves: AtomicBool,
    alert: OnceLock<TlsAlert>,
}

impl Tally {
    /// Allows so many more frames that carry no request.
    pub fn add(&self, credit: u32) {
        self.credit.fetch_add(credit, Relaxed);
    }

    /// Bytes that have been received so far.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes that have been written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Has the connection take no new requests once the next stream has ended.
    pub fn leave(&self) {
        self.leaves.store(true, Relaxed);
    }

    /// Whether it is to take no new requests.
    pub fn leaves(&self) -> bool {
        self.leaves.load(Relaxed)
    }

    /// The kind of frame whose flood has ended the connection.
    pub fn flood(&self) -> Option<Frame> {
        self.flood.get().copied()
    }

    /// The alert of TLS by which the other side has ended the connection. h2 keeps of errors no more
    /// than their texts.
    pub fn alert(&self) -> Option<TlsAlert> {
        self.alert.get().copied()
    }

    fn take_credit(&self) -> u32 {
        // Most reads find none, and a load costs less.
        if self.credit.load(Relaxed) == 0 {
            return 0;
        }
        self.credit.swap(0, Relaxed)
    }
}

/// A connection that fails on a flood of frames.
#[derive(Debug)]
pub(super) struct Wire<I> {
    io: I,
    /// Bytes that have been read by somebody else.
    first: Bytes,
    /// Bytes that have been read since others had their turn.
    turn: usize,
    meter: Meter,
    tally: Arc<Tally>,
    peer: Peer,
    endings: Endings,
    metrics: Http2,
}

impl<I> Wire<I> {
    /// A connection from a client. `first` are bytes that have been read from `io` already.
    pub fn of_client(io: I, first: Bytes, frames: Allowance, metrics: Http2) -> Self {
        Self {
            io,
            first,
            turn: 0,
            meter: Meter::of_client(frames),
            tally: Arc::default(),
            peer: Peer::Client,
            endings: Endings::of_server(),
            metrics,
        }
    }

    /// A connection to a server.
    pub fn of_server(io: I, frames: Allowance, metrics: Http2) -> Self {
        Self {
            io,
            first: Bytes::new(),
            turn: 0,
            meter: Meter::of_server(frames),
            tally: Arc::default(),
            peer: Peer::Server,
            endings: Endings::of_client(),
            metrics,
        }
    }

    /// Shared with the connection's streams.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    fn took(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.tally.received.fetch_add(length, Relaxed);
        let reading = self.meter.read(bytes, self.tally.take_credit());
        if reading.flooded {
            let _ = self.tally.flood.set(reading.loudest);
            return Err(io::Error::other("too many HTTP/2 frames"));
        }
        Ok(())
    }

    /// Takes note of what was written of these bytes.
    fn wrote(&mut self, slices: &[IoSlice<'_>], written: &Poll<io::Result<usize>>) {
        let Poll::Ready(Ok(written)) = *written else {
            return;
        };
        let bytes = u64::try_from(written).unwrap_or(u64::MAX);
        self.tally.written.fetch_add(bytes, Relaxed);
        let (peer, metrics) = (self.peer, &self.metrics);
        self.endings.wrote(slices, written, |ending, code| {
            metrics.sent_error(peer, ending.as_str(), code);
        });
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn >= TURN {
            self.turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = if self.first.is_empty() {
            Pin::new(&mut self.io).poll_read(context, buffer)
        } else {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first[..length]);
            self.first.advance(length);
            Poll::Ready(Ok(()))
        };
        if let Poll::Ready(Err(error)) = &read
            && let Some(alert) = TlsAlert::of_io(error)
        {
            let _ = self.tally.alert.set(alert);
        }
        self.turn = match read {
            Poll::Pending => 0,
            Poll::Ready(_) => self.turn + buffer.filled().len() - before,
        };
        match buffer.filled() {
            filled if filled.len() > before => match self.took(&filled[before..]) {
                Ok(()) => read,
                Err(flood) => Poll::Ready(Err(flood)),
            },
            _ => read,
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.wrote(&[IoSlice::new(bytes)], &written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.wrote(bytes, &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
