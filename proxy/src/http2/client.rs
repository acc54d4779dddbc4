//! A connection to a server of HTTP/2.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep},
};

use super::{
    broken::broken,
    client_stream::{ClientStream, Queued},
    end::End,
    heads,
    limits::{FRAME, Limits, STREAM_ERRORS},
    places::{Places, Used},
    setup::Setup,
    wire::{Tally, Wire},
};
use crate::message::{Broken, RequestHead};

/// How many streams a connection has at most before the server has said how many it allows:
/// as many as RFC 9113, 6.5.2 recommends at least.
const STREAMS_AT_FIRST: usize = 100;

/// A request that was not sent. The server has not seen it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    /// The connection takes no more requests.
    #[error("the connection is gone")]
    Gone,
    /// It has all the streams that it may have.
    #[error("the connection has no room for another stream")]
    Full,
    /// The server has not said that it takes extended CONNECT (RFC 8441, 3).
    #[error("the server takes no upgrades by HTTP/2")]
    NoUpgrades,
    /// The request can't be carried by HTTP/2, on no connection.
    #[error("{0}")]
    BadHead(Broken),
}

/// A handle of a connection, for one task. It is cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// It never sends, so it never waits for a stream of its own to open; its clones do.
    sender: SendRequest<Bytes>,
    places: Places,
    settled: Arc<Settled>,
    tally: Arc<Tally>,
    max_streams: usize,
    max_fields: usize,
}

/// Whether the server has sent its settings.
#[derive(Debug, Default)]
struct Settled(Mutex<Settling>);

#[derive(Debug, Default)]
struct Settling {
    done: bool,
    waiting: Vec<Waker>,
}

/// The connection's other half, which reads and writes.
#[must_use = "nothing is sent or received unless it is polled"]
pub(crate) struct Driver<I> {
    connection: client::Connection<Wire<I>, Bytes>,
    /// Until the server's settings have come.
    unsettled: Option<Arc<Settled>>,
    tally: Arc<Tally>,
    used: Used,
    /// Since nobody uses the connection: until when the server may take note of that.
    farewell: Option<Pin<Box<Sleep>>>,
    goodbye: Duration,
}

/// Begins a connection. It does not wait for the server, whose settings come with the driver.
pub(crate) async fn connect<I>(io: I, setup: &Setup) -> Result<(Connection, Driver<I>), Broken>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &setup.limits;
    let wire = Wire::of_server(io, limits.frames, setup.metrics.clone());
    let tally = wire.tally();
    let handshake = builder(limits).handshake(wire).await;
    let (sender, connection) = handshake.map_err(|error| broken(&error))?;
    let settled = Arc::<Settled>::default();
    let (places, used) = Places::new();
    let handle = Connection {
        sender,
        places,
        settled: Arc::clone(&settled),
        tally: Arc::clone(&tally),
        max_streams: limits.most_streams(),
        max_fields: limits.fields,
    };
    let driver = Driver {
        connection,
        unsettled: Some(settled),
        tally,
        used,
        farewell: None,
        goodbye: limits.goodbye,
    };
    Ok((handle, driver))
}

fn builder(limits: &Limits) -> client::Builder {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .max_header_list_size(limits.head_bytes)
        .max_frame_size(FRAME)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buffer_size(limits.send_buffer)
        .data_frame_budget(limits.data_frames)
        .max_concurrent_reset_streams(limits.remembered_resets())
        .max_local_error_reset_streams(Some(STREAM_ERRORS))
        // A server opens no streams.
        .max_pending_accept_reset_streams(0);
    builder
}

impl Connection {
    /// Whether a request would be sent at once, as far as the server's settings are known.
    pub fn has_room(&mut self) -> bool {
        self.streams() < self.most() && !self.is_gone()
    }

    /// Whether the connection takes no more requests: it has ended, the server has sent a
    /// GOAWAY, or the numbers of streams are used up. Streams that it has may go on.
    pub fn is_gone(&mut self) -> bool {
        // Without a stream that waits, it is ready or has failed.
        let mut context = Context::from_waker(Waker::noop());
        matches!(self.sender.poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    /// How many streams there are, of all handles.
    pub fn streams(&self) -> usize {
        self.places.taken()
    }

    /// Whether the server takes extended CONNECT. Known after [`Self::poll_settled`].
    pub fn takes_upgrades(&self) -> bool {
        self.sender.is_extended_connect_protocol_enabled()
    }

    /// Waits until the server has sent its settings, or the connection has ended.
    pub fn poll_settled(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut settling = self.settled.lock();
        if settling.done {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !settling.waiting.iter().any(|other| other.will_wake(waker)) {
            settling.waiting.push(waker.clone());
        }
        Poll::Pending
    }

    /// Sends a request's head, which with an empty body is all of it.
    ///
    /// # Errors
    ///
    /// The server has seen nothing of the request.
    pub fn send(&mut self, head: &RequestHead) -> Result<ClientStream, NotSent> {
        if self.is_gone() {
            return Err(NotSent::Gone);
        }
        if self.streams() >= self.most() {
            return Err(NotSent::Full);
        }
        if head.upgrade().is_some() && !self.takes_upgrades() {
            return Err(NotSent::NoUpgrades);
        }
        let (request, ended) = heads::write_request(head).map_err(NotSent::BadHead)?;
        let written = self.tally.written();
        let sent = self.sender.clone().send_request(request, ended);
        let Ok((response, stream)) = sent else {
            let why = Broken::Protocol("head_not_for_http2");
            return Err(NotSent::BadHead(why));
        };
        let queued = Queued {
            response,
            stream,
            ended,
            written,
            place: self.places.take(),
        };
        let tally = Arc::clone(&self.tally);
        Ok(ClientStream::new(head, queued, tally, self.max_fields))
    }

    fn most(&self) -> usize {
        self.sender.current_max_send_streams().min(self.max_streams)
    }
}

impl Settled {
    fn lock(&self) -> std::sync::MutexGuard<'_, Settling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self) {
        let mut settling = self.lock();
        settling.done = true;
        for waker in settling.waiting.drain(..) {
            waker.wake();
        }
    }
}

impl<I> Future for Driver<I>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    /// How the connection ended.
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let polled = Pin::new(&mut self.connection).poll(context);
        // Settings are what a server sends first (RFC 9113, 3.4).
        if self.tally.received() > 0 || polled.is_ready() {
            self.settle();
        }
        if polled.is_pending() && self.is_over(context) {
            return Poll::Ready(End::Idle);
        }
        polled.map(|ended| match ended {
            Ok(()) => End::Closed,
            Err(error) => End::of(&error, &self.tally),
        })
    }
}

impl<I> Driver<I> {
    /// Whether nobody has used the connection for as long as a server has to let go of it, too:
    /// one that reads nothing never takes what we have left to say.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.farewell.is_none() && Pin::new(&mut self.used).poll(context).is_ready() {
            self.farewell = Some(Box::pin(sleep(self.goodbye)));
        }
        let farewell = self.farewell.as_mut();
        farewell.is_some_and(|farewell| farewell.as_mut().poll(context).is_ready())
    }

    fn settle(&mut self) {
        if let Some(settled) = self.unsettled.take() {
            settled.set();
        }
    }
}

impl<I> Drop for Driver<I> {
    fn drop(&mut self) {
        self.settle();
    }
}
