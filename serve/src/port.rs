//! One port: its connections from the first byte to the last.

use std::{
    convert::Infallible, error::Error, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use hyper::{
    Request, Response, Version,
    body::{Body, Incoming},
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use pillion_telemetry::{Rates, Throttle};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use crate::{
    Budget, Limits, Phase, PortMetrics, Readiness, Tls,
    activity::{Activity, Pressure, Unsent, Verdict},
    callers::{Admission, Caller, Callers, Connected, Shares},
    listener::Listener,
    watched::Watched,
};

/// Time for a connection without requests to be closed gracefully.
const FAREWELL: Duration = Duration::from_secs(1);

/// Lines about failed handshakes: anyone can cause them.
const HANDSHAKES: Rates = Rates {
    each: 1,
    first: 20,
    more: 0,
};

type BoxError = Box<dyn Error + Send + Sync>;

/// The caller at the other end of a request's connection: an extension of each request.
#[derive(Debug, Clone)]
pub struct Peer {
    address: SocketAddr,
    activity: Arc<Activity>,
    shares: Arc<Shares>,
    connected: Arc<Connected>,
    certificates: Arc<[CertificateDer<'static>]>,
}

impl Peer {
    /// Its address; one of IPv4 as such, also on a dual-stack port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificates that it presented, its own first; none if it was not asked, or has none.
    /// The TLS configuration says what has been checked of them.
    #[must_use]
    pub fn certificates(&self) -> &Arc<[CertificateDer<'static>]> {
        &self.certificates
    }

    /// The requests that its address may have in flight.
    #[must_use]
    pub fn requests(&self) -> &Semaphore {
        &self.shares.requests
    }

    /// The memory that its address may use for bodies and responses.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.shares.budget
    }

    /// The caller that its address belongs to.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.connected.caller()
    }

    /// Whether requests of its address have been of use before.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.connected.is_known()
    }

    /// Records that a request was of use: places are reserved for such callers.
    pub fn record_useful(&self) {
        self.connected.record_useful();
    }

    /// A response is ready. Hold the value until its last byte is sent or given
    /// up: the caller has [`Limits::answer`] to read it.
    #[must_use]
    pub fn response(&self) -> Unsent {
        self.activity.response()
    }
}

/// A port, and what all its connections share.
#[derive(Debug)]
pub struct Port<S> {
    service: S,
    limits: Limits,
    readiness: Arc<Readiness>,
    metrics: PortMetrics,
    callers: Arc<Callers>,
    handshakes: Throttle,
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
    /// No more connections; those that are open finish their requests.
    stop: CancellationToken,
    /// The time for that is up.
    cut: CancellationToken,
}

/// The version of HTTP that a connection speaks, as agreed by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

impl<S, B> Port<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// A port whose requests `service` answers, each with its [`Peer`] among the
    /// extensions. While `readiness` drains, responses tell callers to reconnect.
    pub fn new(
        service: S,
        limits: Limits,
        readiness: Arc<Readiness>,
        metrics: PortMetrics,
    ) -> Self {
        Self {
            service,
            limits,
            readiness,
            metrics,
            callers: Arc::new(Callers::new(limits)),
            handshakes: Throttle::new(HANDSHAKES),
            http1: http1(),
            http2: http2(&limits),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Serves until told to stop, then until the last connection has ended, or
    /// [`Limits::drain`] is over. Without TLS it speaks HTTP/1.1 only.
    ///
    /// To stop without losing a request, call [`Readiness::drain`] some seconds
    /// before the token is cancelled: responses then tell callers to reconnect
    /// elsewhere, while no connection is closed under them.
    pub async fn serve(mut self, listener: TcpListener, tls: Option<Tls>, stop: CancellationToken) {
        self.stop = stop;
        let limits = self.limits;
        let port = Arc::new(self);
        let tasks = TaskTracker::new();
        let mut listener = Listener::new(listener);
        while let Some((stream, peer)) = port
            .stop
            .run_until_cancelled(listener.accept(&port.metrics))
            .await
        {
            let admission = port.callers.admit(peer.ip());
            if matches!(admission, Admission::Refused) {
                port.metrics.connection_refused();
                continue;
            }
            let (port, tls) = (Arc::clone(&port), tls.clone());
            tasks.spawn(async move {
                if let Some(connected) = port.place(admission).await {
                    let _open = port.metrics.connection();
                    port.connection(stream, peer, Arc::new(connected), tls)
                        .await;
                }
            });
        }
        drop(listener);
        tasks.close();
        if timeout(limits.drain, tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = tasks.len(),
                seconds = limits.drain.as_secs(),
                "connections did not end in time and are cut"
            );
            port.cut.cancel();
            tasks.wait().await;
        }
    }

    /// The place of a connection, which may have to wait for it.
    async fn place(&self, admission: Admission) -> Option<Connected> {
        let waiting = match admission {
            Admission::Connected(connected) => return Some(connected),
            Admission::Waiting(waiting) => waiting,
            Admission::Refused => return None,
        };
        let place = waiting.place(&self.limits);
        let place = self.stop.run_until_cancelled(place).await?;
        if place.is_none() {
            self.metrics.connection_refused();
        }
        place
    }

    /// Serves one connection as [`serve`](Self::serve) does, past TLS; for the fuzz target.
    #[doc(hidden)]
    pub async fn serve_one<I>(&self, stream: I, is_http2: bool)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let Admission::Connected(connected) = self.callers.admit(address.ip()) else {
            return;
        };
        let peer = Peer {
            address,
            activity: Arc::new(Activity::new()),
            shares: Arc::clone(&connected.shares),
            connected: Arc::new(connected),
            certificates: Arc::default(),
        };
        let protocol = if is_http2 {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        self.http(stream, peer, protocol).await;
    }

    async fn connection(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        connected: Arc<Connected>,
        tls: Option<Tls>,
    ) {
        let evicted = connected.evicted.clone();
        let mut peer = Peer {
            address,
            activity: Arc::new(Activity::new()),
            shares: Arc::clone(&connected.shares),
            connected,
            certificates: Arc::default(),
        };
        let Some(tls) = tls else {
            return self.http(stream, peer, Protocol::Http1).await;
        };
        let handshake = timeout(self.limits.handshake, tls.acceptor.accept(stream));
        let handshake = evicted.run_until_cancelled(handshake);
        match self.stop.run_until_cancelled(handshake).await.flatten() {
            None if evicted.is_cancelled() => self.metrics.evicted(),
            None => {}
            Some(Ok(Ok(stream))) => {
                let session = stream.get_ref().1;
                peer.certificates = session.peer_certificates().unwrap_or_default().into();
                let protocol = match session.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                self.http(stream, peer, protocol).await;
            }
            Some(Ok(Err(error))) => self.handshake_failed(address, &error, &tls),
            Some(Err(_)) => {
                self.metrics.timed_out(Phase::Handshake);
                tracing::debug!(peer = %address, "TLS handshake took too long");
            }
        }
    }

    fn handshake_failed(&self, peer: SocketAddr, error: &io::Error, tls: &Tls) {
        // Load balancers and scanners check in this way whether the port is open;
        // while there is no certificate, `/readyz` says so.
        let is_probe = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        );
        if is_probe || !tls.certificate.holds() {
            tracing::debug!(%peer, %error, "TLS handshake was not completed");
            return;
        }
        self.metrics.handshake_failed();
        if let Some(held_back) = self.handshakes.pass(peer.ip()) {
            tracing::warn!(
                %peer,
                %error,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "TLS handshake failed; {}",
                tls.hint
            );
        }
    }

    async fn http<I>(&self, stream: I, peer: Peer, protocol: Protocol)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let ended = self.drive(stream, &peer, protocol).await;
        let (conduct, peer) = (&peer.activity.conduct, peer.address);
        let error = ended
            .as_deref()
            .map(|error| error as &(dyn Error + 'static));
        if let Some(frame) = conduct.flood(error) {
            self.metrics.flooded(frame);
            let frame = frame.as_str();
            tracing::debug!(%peer, frame, "closed a connection for its flood of HTTP/2 frames");
        } else if let Some(error) = ended {
            self.metrics.failed();
            tracing::debug!(%peer, error, "connection failed");
        }
        if conduct.is_useless() {
            self.metrics.useless();
            tracing::debug!(%peer, "ended a connection whose requests kept failing");
        }
    }

    /// Runs a connection; returns the error that it ended with.
    async fn drive<I>(&self, stream: I, peer: &Peer, protocol: Protocol) -> Option<BoxError>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (activity, connected) = (&peer.activity, &peer.connected);
        let stream = TokioIo::new(match protocol {
            Protocol::Http1 => Watched::http1(stream, Arc::clone(activity)),
            Protocol::Http2 => Watched::http2(stream, Arc::clone(activity), self.limits.frames),
        });
        let service = service_fn(|request| self.call(peer.clone(), request));
        let builder = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let mut connection = pin!(builder.serve_connection(stream, service));
        let mut alarm = pin!(sleep_until(Instant::now()));
        let mut ending = false;
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended.err(),
                () = self.cut.cancelled() => return None,
                () = self.stop.cancelled(), if !ending => {}
                () = connected.evicted.cancelled(), if !ending => {
                    self.metrics.evicted();
                    // In HTTP/2, the GOAWAY tells a caller whose request is on its way that it was not processed.
                    if protocol == Protocol::Http1 && activity.is_idle() {
                        return None;
                    }
                }
                // The caller carries on although it was told to end.
                () = activity.conduct.ends() => if ending { return None },
                () = alarm.as_mut() => match activity.verdict(&self.limits, pressure(ending, connected)) {
                    Verdict::Wait(_) if ending && connected.evicted.is_cancelled() => return None,
                    Verdict::Wait(until) => {
                        let soon = Instant::now() + FAREWELL;
                        let until = if ending { until.min(soon) } else { until };
                        alarm.as_mut().reset(until);
                        continue;
                    }
                    Verdict::Late(_) if ending => return None,
                    Verdict::Late(phase) => self.metrics.timed_out(phase),
                },
            }
            ending = true;
            connection.as_mut().graceful_shutdown();
            alarm.as_mut().reset(Instant::now() + FAREWELL);
        }
    }

    fn call(
        &self,
        peer: Peer,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<S::Response, Infallible>> + Send + use<S, B> {
        let running = peer.activity.request();
        let readiness = Arc::clone(&self.readiness);
        request.extensions_mut().insert(peer);
        let is_http1 = request.version() <= Version::HTTP_11;
        let response = self.service.clone().call(request);
        async move {
            let mut response = response.await?;
            let ends = running.conduct().record(succeeded(&response));
            // HTTP/2 says it with a GOAWAY when the connection ends.
            if is_http1 && (ends || readiness.is_draining()) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            drop(running);
            Ok(response)
        }
    }
}

/// Whether a request was of use. gRPC refuses with HTTP's 200, and says so in `grpc-status`, which
/// is among the headers of a response that consists of the refusal alone ("Trailers-Only").
fn succeeded<B>(response: &Response<B>) -> bool {
    let grpc = response.headers().get("grpc-status");
    response.status().is_success() && grpc.is_none_or(|status| status == "0")
}

fn pressure(ending: bool, connected: &Connected) -> Pressure {
    if ending {
        Pressure::Ending
    } else if connected.is_crowded() {
        Pressure::Crowded
    } else {
        Pressure::Normal
    }
}

fn http1() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        // The connection's own clock (`activity`) limits this.
        .header_read_timeout(None)
        .max_buf_size(64 * 1024);
    builder
}

fn http2(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        // One head is in memory at a time; this bounds its CONTINUATION frames, too.
        .max_header_list_size(16 * 1024)
        .max_frame_size(16 * 1024)
        // Streams that are reset before they are accepted, at a time, and streams that
        // violate the protocol, in all. The account in `frames` bounds whatever else a
        // caller may send besides requests.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        // A peer that has silently gone is noticed within a minute.
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_grpc_is_no_success() {
        let response = |status: &str| {
            let response = Response::builder().header("grpc-status", status);
            response.body(()).unwrap()
        };
        assert!(succeeded(&Response::new(())));
        assert!(succeeded(&response("0")));
        assert!(!succeeded(&response("16")));
    }
}
