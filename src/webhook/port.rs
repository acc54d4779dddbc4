//! One port: its connections from the first byte to the last.

use std::{
    convert::Infallible, error::Error, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use axum::{
    BoxError, Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Version, header},
    response::Response,
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use super::{
    Condition, Limits, Readiness,
    activity::{Activity, Pressure, Verdict},
    callers::{Admission, Callers, Connected, Shares},
    listener::Listener,
    watched::Watched,
};
use crate::{
    logging::{Rates, Throttle},
    metrics::{Phase, Server},
};

/// Time for a connection without requests to be closed politely.
const FAREWELL: Duration = Duration::from_secs(1);

/// Lines about failed handshakes: anyone can cause them.
const HANDSHAKES: Rates = Rates {
    each: 1,
    first: 20,
    more: 0,
};

/// The connection that a request came by, among its extensions.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) activity: Arc<Activity>,
    pub(super) shares: Arc<Shares>,
    pub(super) connected: Arc<Connected>,
}

/// What all connections of a port share.
#[derive(Debug)]
pub(super) struct Port {
    routes: Router,
    readiness: Arc<Readiness>,
    limits: Limits,
    counts: Server,
    callers: Arc<Callers>,
    handshakes: Throttle,
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
    /// No more connections; those that are there finish what they're at.
    stop: CancellationToken,
    /// Time is up for them.
    cut: CancellationToken,
}

/// How a connection speaks HTTP: ALPN has said so before its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

impl Port {
    pub(super) fn new(
        routes: Router,
        readiness: Arc<Readiness>,
        limits: Limits,
        counts: Server,
        stop: CancellationToken,
    ) -> Self {
        Self {
            routes,
            readiness,
            limits,
            counts,
            callers: Arc::new(Callers::new(limits)),
            handshakes: Throttle::new(HANDSHAKES),
            http1: http1(),
            http2: http2(&limits),
            stop,
            cut: CancellationToken::new(),
        }
    }

    /// Serves until told to stop, then until the last connection has ended.
    pub(super) async fn serve(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let limits = self.limits;
        let port = Arc::new(self);
        let tasks = TaskTracker::new();
        let mut listener = Listener::new(listener);
        while let Some((stream, peer)) = port
            .stop
            .run_until_cancelled(listener.accept(&port.counts))
            .await
        {
            let admission = port.callers.admit(peer.ip());
            if matches!(admission, Admission::Refused) {
                port.counts.connection_refused();
                continue;
            }
            let (port, tls) = (Arc::clone(&port), tls.clone());
            tasks.spawn(async move {
                if let Some(connected) = port.place(admission).await {
                    let _open = port.counts.connection();
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

    /// The place of a connection, for which it may have to wait.
    async fn place(&self, admission: Admission) -> Option<Connected> {
        let waiting = match admission {
            Admission::Connected(connected) => return Some(connected),
            Admission::Waiting(waiting) => waiting,
            Admission::Refused => return None,
        };
        let place = waiting.place(&self.limits);
        let place = self.stop.run_until_cancelled(place).await?;
        if place.is_none() {
            self.counts.connection_refused();
        }
        place
    }

    /// Serves one connection, past TLS.
    pub(super) async fn serve_one<S>(&self, stream: S, is_http2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
        tls: Option<TlsAcceptor>,
    ) {
        let evicted = connected.evicted.clone();
        let peer = Peer {
            address,
            activity: Arc::new(Activity::new()),
            shares: Arc::clone(&connected.shares),
            connected,
        };
        let Some(tls) = tls else {
            return self.http(stream, peer, Protocol::Http1).await;
        };
        let handshake = timeout(self.limits.handshake, tls.accept(stream));
        let handshake = evicted.run_until_cancelled(handshake);
        match self.stop.run_until_cancelled(handshake).await.flatten() {
            None if evicted.is_cancelled() => self.counts.evicted(),
            None => {}
            Some(Ok(Ok(stream))) => {
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                self.http(stream, peer, protocol).await;
            }
            Some(Ok(Err(error))) => self.handshake_failed(address, &error),
            Some(Err(_)) => {
                self.counts.timed_out(Phase::Handshake);
                tracing::debug!(peer = %address, "TLS handshake took too long");
            }
        }
    }

    fn handshake_failed(&self, peer: SocketAddr, error: &io::Error) {
        // Load balancers and scanners ask in this way whether the port is open;
        // before there is a certificate, `/readyz` says so.
        let is_probe = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        );
        if is_probe || !self.readiness.holds(Condition::Certificate) {
            tracing::debug!(%peer, %error, "TLS handshake did not come to its end");
            return;
        }
        self.counts.handshake_failed();
        if let Some(held_back) = self.handshakes.pass(peer.ip()) {
            tracing::warn!(
                %peer,
                %error,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                "TLS handshake failed; where an API server says that the certificate is \
                 bad or its issuer unknown, the webhook's caBundle does not fit"
            );
        }
    }

    async fn http<S>(&self, stream: S, peer: Peer, protocol: Protocol)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let ended = self.drive(stream, &peer, protocol).await;
        let (conduct, peer) = (&peer.activity.conduct, peer.address);
        let error = ended
            .as_deref()
            .map(|error| error as &(dyn Error + 'static));
        if let Some(frame) = conduct.flood(error) {
            self.counts.flooded(frame);
            let frame = frame.as_str();
            tracing::debug!(%peer, frame, "closed a connection for its flood of HTTP/2 frames");
        } else if let Some(error) = ended {
            tracing::debug!(%peer, error, "connection failed");
        }
        if conduct.is_useless() {
            self.counts.useless();
            tracing::debug!(%peer, "ended a connection by which no reviews came");
        }
    }

    /// Returns the error that a connection ended with.
    async fn drive<S>(&self, stream: S, peer: &Peer, protocol: Protocol) -> Option<BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (activity, connected) = (&peer.activity, &peer.connected);
        let stream = TokioIo::new(match protocol {
            Protocol::Http1 => Watched::http1(stream, Arc::clone(activity)),
            Protocol::Http2 => Watched::http2(stream, Arc::clone(activity)),
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
                    self.counts.evicted();
                    // In HTTP/2, a GOAWAY tells whose request is on its way that it was not looked at.
                    if protocol == Protocol::Http1 && activity.is_idle() {
                        return None;
                    }
                }
                // The caller goes on although it was told to end.
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
                    Verdict::Late(phase) => self.counts.timed_out(phase),
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
        mut request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        let running = peer.activity.request();
        let readiness = Arc::clone(&self.readiness);
        request.extensions_mut().insert(peer);
        let is_http1 = request.version() <= Version::HTTP_11;
        let answer = self.routes.clone().call(Request::map(request, Body::new));
        async move {
            let mut response = answer.await?;
            let ends = running.conduct().answered(response.status().is_success());
            // HTTP/2 says it with a GOAWAY, in the end.
            if is_http1 && (ends || readiness.is_draining()) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            drop(running);
            Ok(response)
        }
    }
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
        // The connection's own clock does this.
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
        .initial_stream_window_size(128 * 1024)
        .initial_connection_window_size(512 * 1024)
        // One head in memory at a time; its CONTINUATIONs are bounded by it, too.
        .max_header_list_size(16 * 1024)
        .max_frame_size(16 * 1024)
        // Streams that were reset before they were looked at, at a time, and those
        // that broke the protocol, in all. What a caller may send beside requests is
        // bounded by the account in `frames`.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        // A peer that has gone without a word is found out within a minute.
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
