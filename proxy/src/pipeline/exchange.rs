//! A request and its response.

use std::{future::poll_fn, net::SocketAddr, pin::pin, sync::Arc, task::Poll};

use http::{Method, StatusCode, Version as HttpVersion};
use tokio::task::yield_now;

use super::{
    attempt::{Attempt, Interrupted, starts_tunnel},
    connection::Connection,
    connector::{Begun, Connector, Version},
    downstream::Downstream,
    failure::{Failure, upstream_flag},
    headers::{edit_request, edit_response, set_attempt},
    local_reply::{Text, discard, local_reply},
    pump::Pump,
    replay::Held,
    tally::Tally,
    upstream::Upstream,
    worker::Worker,
};
use crate::{
    http2::join_cookies,
    message::{Broken, RequestHead, ResponseHead},
    records::ResponseFlag,
    tables::{Action, Cluster, UpstreamProtocol},
    traffic::Direction,
};

/// A request, from its head to its record.
pub(super) struct Exchange<'a, D> {
    pub worker: &'a Worker,
    pub connection: &'a Connection,
    pub head: RequestHead,
    pub downstream: &'a mut D,
    pub tally: Tally,
    has_ended: bool,
}

/// How often a request is sent at most, as Istio's default of two retries has it.
const MAX_ATTEMPTS: u32 = 3;

/// Why the request ended before its response was complete.
enum Ended {
    /// The response has not begun, and the proxy answers instead.
    Failed(Failure),
    /// The response has begun, and the server broke it off.
    Cut(Broken),
    /// The response has begun, and what the client sends is not HTTP.
    BadRequest(&'static str),
    /// The client has gone away.
    ClientGone,
    /// Nothing was sent for too long.
    Idle,
}

impl Ended {
    /// The end of a response that has begun: there can't be another one.
    fn within_response(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Client(Broken::Protocol(reason)) => Self::BadRequest(reason),
            Interrupted::Client(Broken::Closed | Broken::Reset(_)) => Self::ClientGone,
            Interrupted::Server(broken) => Self::Cut(broken),
            Interrupted::Idle => Self::Idle,
        }
    }
}

impl<'a, D: Downstream> Exchange<'a, D> {
    /// Begins with a request's head.
    pub fn new(
        worker: &'a Worker,
        connection: &'a Connection,
        head: RequestHead,
        downstream: &'a mut D,
    ) -> Self {
        Self {
            worker,
            connection,
            head,
            downstream,
            tally: Tally::new(),
            has_ended: false,
        }
    }

    /// Answers the request. What came of it is recorded when the exchange is dropped.
    pub async fn run(mut self) {
        let answered = match self.route() {
            Ok((cluster, address)) => self.forward(&cluster, address).await,
            Err(failure) => Err(Ended::Failed(failure)),
        };
        match answered {
            Ok(()) => {}
            Err(Ended::Failed(failure)) => self.reply(&failure).await,
            Err(Ended::Cut(broken)) => {
                self.tally.flags.insert(upstream_flag(&broken));
                self.tally.details = "upstream_reset_after_response_started";
                self.send_what_came().await;
                self.downstream.abort();
            }
            Err(Ended::BadRequest(reason)) => {
                let flag = ResponseFlag::DownstreamProtocolError;
                self.tally.flags.insert(flag);
                self.tally.details = reason;
                self.downstream.abort();
            }
            Err(Ended::ClientGone) => {
                self.tally.client_gone();
                self.downstream.abort();
            }
            Err(Ended::Idle) => {
                self.tally.flags.insert(ResponseFlag::StreamIdleTimeout);
                self.tally.details = "stream_idle_timeout";
                self.downstream.abort();
            }
        }
        self.has_ended = true;
    }

    /// Answers that there is no room for the request.
    pub async fn refuse(mut self) {
        self.reply(&Failure::Overload).await;
        self.has_ended = true;
    }

    /// Decides where the request goes.
    fn route(&mut self) -> Result<(Arc<Cluster>, SocketAddr), Failure> {
        let Connection {
            direction,
            original,
            ..
        } = *self.connection;
        let is_old = self.head.version == HttpVersion::HTTP_10;
        if is_old && direction == Direction::Inbound && !self.worker.accepts_http10 {
            return Err(Failure::Version);
        }
        let tables = self.worker.tables.get();
        let listener = tables.listeners.find(direction, original);
        let authority = self.head.authority().unwrap_or_default();
        let host = listener.hosts.find(authority).ok_or(Failure::NoRoute)?;
        let matches = |path| host.routes.iter().find(|route| route.path.matches(path));
        let route = matches(self.head.path()).ok_or(Failure::NoRoute)?;
        self.tally.route = Some(Arc::clone(&route.name));
        let cluster = match &route.action {
            Action::Forward(cluster) => Arc::clone(cluster),
            Action::Respond(status) => return Err(Failure::Direct(*status)),
        };
        self.tally.cluster = Some(Arc::clone(&cluster.name));
        let address = cluster.pick(original).ok_or_else(|| Failure::NoEndpoint {
            cluster: cluster.name.to_string(),
        })?;
        let worker = self.worker;
        edit_request(&mut self.head, direction, || worker.request_id());
        Ok((cluster, address))
    }

    /// Sends the request to an endpoint, and passes on the response.
    async fn forward(&mut self, cluster: &Cluster, address: SocketAddr) -> Result<(), Ended> {
        self.tally.upstream_host = Some(address);
        let mut held = Held::default();
        let mut attempts = 1;
        loop {
            let Begun { upstream, reused } = self.begin(cluster, address, attempts > 1).await?;
            self.tally.upstream_local = upstream.local();
            if !reused {
                held.stop();
            }
            let mut attempt = Attempt::new(upstream, self.head.is_tunnel());
            let head = attempt.head(self.downstream, &mut held).await;
            self.tally.request_bytes = attempt.up.bytes;
            match head {
                Ok(head) => return self.respond(attempt, head, held, address).await,
                Err(Interrupted::Client(broken)) => {
                    return Err(match broken {
                        Broken::Protocol(reason) => Ended::Failed(Failure::Target(reason)),
                        Broken::Closed | Broken::Reset(_) => Ended::ClientGone,
                    });
                }
                Err(Interrupted::Idle) => return Err(Ended::Idle),
                Err(Interrupted::Server(broken)) => {
                    let is_last = !reused || attempts == MAX_ATTEMPTS;
                    if is_last || !self.may_repeat(&attempt, &held) {
                        let to = address;
                        return Err(Ended::Failed(Failure::Upstream { to, broken }));
                    }
                    attempts += 1;
                    held.rewind();
                    if self.connection.direction == Direction::Outbound {
                        set_attempt(&mut self.head, attempts);
                    }
                }
            }
        }
    }

    /// Whether a request that died on a used connection is sent again: the
    /// server has seen nothing of it, or has not answered and may get it twice (RFC 9110,
    /// 9.2.2), and its body is still here.
    fn may_repeat(&self, attempt: &Attempt, held: &Held) -> bool {
        let upstream = &attempt.upstream;
        let may_come_twice = is_idempotent(&self.head.method) && upstream.is_unanswered();
        held.is_complete() && (may_come_twice || upstream.is_unprocessed())
    }

    /// A connection with the request begun on it, unless the client goes away first.
    async fn begin(
        &mut self,
        cluster: &Cluster,
        address: SocketAddr,
        fresh: bool,
    ) -> Result<Begun, Ended> {
        let version = match cluster.protocol {
            UpstreamProtocol::Http1 => Version::Http1,
            UpstreamProtocol::Http2 => Version::Http2,
            UpstreamProtocol::Downstream if self.head.version == HttpVersion::HTTP_2 => {
                Version::Http2
            }
            UpstreamProtocol::Downstream => Version::Http1,
        };
        if version == Version::Http1 && self.head.version == HttpVersion::HTTP_2 {
            join_cookies(&mut self.head.fields);
        }
        let head = &self.head;
        let downstream = &mut *self.downstream;
        let connector = Connector {
            worker: self.worker,
            cluster,
            destination: self.connection.destination(address),
            client: self.connection.client(),
            version,
            fresh,
        };
        let mut begin = pin!(connector.begin(head));
        let begun = poll_fn(|context| {
            if let Poll::Ready(begun) = begin.as_mut().poll(context) {
                return Poll::Ready(Ok(begun));
            }
            downstream
                .poll_gone(context)
                .map(|()| Err(Ended::ClientGone))
        });
        begun.await?.map_err(Ended::Failed)
    }

    /// Passes on the response.
    async fn respond(
        &mut self,
        mut attempt: Attempt,
        mut head: ResponseHead,
        mut held: Held,
        to: SocketAddr,
    ) -> Result<(), Ended> {
        held.stop();
        let is_connect = self.head.method == Method::CONNECT;
        let is_tunnel = starts_tunnel(self.head.is_tunnel(), &head, is_connect);
        if head.status == StatusCode::SWITCHING_PROTOCOLS && !is_tunnel {
            let broken = Broken::Protocol("switches_protocols_unasked");
            return Err(Ended::Failed(Failure::Upstream { to, broken }));
        }
        self.tally.service_time = Some(attempt.sent().elapsed());
        self.tally.details = "via_upstream";
        self.tally.read_grpc_status(&head.fields);
        self.start(&mut head).map_err(|broken| match broken {
            // The client's version of HTTP can't carry it.
            Broken::Protocol(_) => Ended::Failed(Failure::Upstream { to, broken }),
            Broken::Closed | Broken::Reset(_) => Ended::ClientGone,
        })?;
        if self.head.is_tunnel() {
            attempt.answer_tunnel(is_tunnel);
        }
        if is_tunnel {
            self.downstream.become_tunnel();
        }
        let ended = match is_tunnel {
            true => attempt.tunnel(self.downstream, &mut held).await,
            false => attempt.bodies(self.downstream, &mut held).await,
        };
        self.tally.request_bytes = attempt.up.bytes;
        self.tally.response_bytes = attempt.down.bytes;
        self.tally.grpc_status = attempt.down.grpc_status.or(self.tally.grpc_status);
        self.tally.response_fields = Some(head.fields);
        if let Err(interrupted) = ended {
            if is_tunnel && matches!(interrupted, Interrupted::Client(_)) {
                attempt.upstream.abort();
            }
            return Err(Ended::within_response(interrupted));
        }
        if let Upstream::Http1(client) = attempt.upstream
            && client.is_reusable()
        {
            let destination = self.connection.destination(to);
            self.worker.http1_pool.give(destination, client);
        }
        Ok(())
    }

    /// Begins the response to the client.
    fn start(&mut self, head: &mut ResponseHead) -> Result<(), Broken> {
        let direction = self.connection.direction;
        let time = self.tally.service_time;
        edit_response(head, direction, time, &self.worker.date);
        if self.worker.is_draining() {
            self.downstream.close_after_response();
        }
        self.tally.status = Some(head.status);
        self.downstream.start(head)
    }

    /// Sends what has come of a response before it is broken off: a client that got nothing
    /// would take its request for unanswered, and might repeat it.
    async fn send_what_came(&mut self) {
        let downstream = &mut *self.downstream;
        let _ = poll_fn(|context| Poll::Ready(downstream.poll_flush(context))).await;
        // A connection of HTTP/2 sends by itself, and would drop what a reset stream has left.
        yield_now().await;
    }

    /// Sends a local reply that says why the server did not respond.
    async fn reply(&mut self, failure: &Failure) {
        self.tally.failed(failure);
        let (mut head, body) = local_reply(&self.head, failure);
        discard(self.downstream).await;
        self.tally.service_time = None;
        if self.start(&mut head).is_err() {
            return self.tally.client_gone();
        }
        self.tally.read_grpc_status(&head.fields);
        self.tally.response_fields = Some(head.fields);
        let mut body = Text(&body);
        let mut pump = Pump::default();
        let downstream = &mut *self.downstream;
        let sent = poll_fn(|context| pump.poll(context, &mut body, downstream)).await;
        self.tally.response_bytes = pump.bytes;
        if sent.is_err() {
            self.tally.client_gone();
        }
    }
}

/// A stream of HTTP/2 is dropped with its connection, wherever its request is then.
impl<D> Drop for Exchange<'_, D> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tally.client_gone();
        }
        let record = self.tally.record(&self.head, self.connection);
        self.worker.recorder.request(&record);
    }
}

/// RFC 9110, 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::PUT,
        Method::DELETE,
    ]
    .contains(method)
}
