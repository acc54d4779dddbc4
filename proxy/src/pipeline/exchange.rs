//! A request and its response.

use std::{cell::OnceCell, future::poll_fn, pin::pin, task::Poll};

use http::Version as HttpVersion;
use tokio::{
    task::yield_now,
    time::{Instant, timeout_at},
};

use super::{
    attempt::Interrupted,
    clock::Expired,
    connection::{Connection, TABLES_TIME},
    downstream::Downstream,
    failure::{Failure, upstream_flag},
    headers::{edit_request, edit_response},
    local_reply::{Text, direct_reply, discard, local_reply, redirect_reply},
    normal_path::{BadPath, normalized},
    pump::Pump,
    routing::{Decision, decide},
    tally::Tally,
    worker::Worker,
};
use crate::{
    message::{BodySize, Broken, RequestHead, ResponseHead},
    records::ResponseFlag,
    tables::{DirectResponse, Held, Redirect, Route},
    traffic::Direction,
};

/// A request, from its head to its record.
pub(super) struct Exchange<'a, D> {
    pub worker: &'a Worker,
    pub connection: &'a Connection,
    pub head: RequestHead,
    pub downstream: &'a mut D,
    pub tally: Tally<'a>,
    has_ended: bool,
}

/// Why the request ended before its response was complete.
pub(super) enum Ended {
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
    /// The response has begun, and takes longer than it may.
    Late(Expired),
}

impl Ended {
    /// The end of a response that has begun: there can't be another one.
    pub fn within_response(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Client(Broken::Protocol(reason)) => Self::BadRequest(reason),
            Interrupted::Client(Broken::Closed | Broken::Reset(_)) => Self::ClientGone,
            Interrupted::Server(broken) => Self::Cut(broken),
            Interrupted::Idle => Self::Idle,
            Interrupted::Timeout(expired) => Self::Late(expired),
        }
    }
}

/// Answers a request, and records what came of it, also where the future is dropped.
pub(super) async fn answer<D: Downstream>(
    worker: &Worker,
    connection: &Connection,
    head: RequestHead,
    downstream: &mut D,
) {
    // What the exchange cites is held as long as it is there, without being counted.
    let (tables, newer) = (worker.tables.get(), OnceCell::new());
    let mut exchange = Exchange::new(worker, connection, head, downstream);
    if let Err(failure) = exchange.normalize_path() {
        return exchange.end(Err(Ended::Failed(failure))).await;
    }
    let mut decision = exchange.decide(&tables);
    if matches!(decision, Decision::Wait) {
        decision = match exchange.wait(Held::clone(&tables)).await {
            Ok(held) => exchange.decide(newer.get_or_init(|| held)),
            Err(ended) => return exchange.end(Err(ended)).await,
        };
    }
    let ended = match decision {
        Decision::Forward(target) => {
            exchange.tally.route = Some(target.route);
            exchange.tally.cluster = Some(target.cluster);
            exchange.forward(target).await
        }
        Decision::Redirect(route, redirect) => exchange.redirect(route, redirect).await,
        Decision::Respond(route, response) => exchange.respond_directly(route, response).await,
        Decision::Fail(failure, route) => {
            exchange.tally.route = route;
            Err(Ended::Failed(failure))
        }
        Decision::Wait => Err(Ended::Failed(exchange.not_told(&tables))),
    };
    exchange.end(ended).await;
}

/// Answers that there is no room for a request.
pub(super) async fn refuse<D: Downstream>(
    worker: &Worker,
    connection: &Connection,
    head: RequestHead,
    downstream: &mut D,
) {
    let mut exchange = Exchange::new(worker, connection, head, downstream);
    exchange.end(Err(Ended::Failed(Failure::Overload))).await;
}

impl<'a, D: Downstream> Exchange<'a, D> {
    fn new(
        worker: &'a Worker,
        connection: &'a Connection,
        mut head: RequestHead,
        downstream: &'a mut D,
    ) -> Self {
        let mut tally = Tally::new();
        if let Some(edge) = &worker.edge {
            tally.client = edge.admit(&mut head, connection.peer.ip());
        }
        edit_request(&mut head, || worker.request_id());
        Self {
            worker,
            connection,
            head,
            downstream,
            tally,
            has_ended: false,
        }
    }

    /// Brings the path into the form that routes are matched with.
    fn normalize_path(&mut self) -> Result<(), Failure> {
        let normal = normalized(self.head.path());
        let normal = normal.map_err(|BadPath| Failure::Target("path_normalization_failed"))?;
        if let Some(path) = normal {
            self.head.set_path(&path);
        }
        Ok(())
    }

    fn decide<'t>(&self, tables: &'t Held) -> Decision<'t> {
        let is_old = self.head.version == HttpVersion::HTTP_10;
        // What comes from a pod with a sidecar is told by that of its server.
        let is_first =
            self.connection.direction == Direction::Inbound || self.worker.edge.is_some();
        if is_old && is_first && !self.worker.accepts_http10 {
            return Decision::Fail(Failure::Version, None);
        }
        self.worker
            .with_random(|random| decide(tables, self.connection, &self.head, random))
    }

    /// Waits for tables that say where the request goes.
    async fn wait(&mut self, mut tables: Held) -> Result<Held, Ended> {
        let deadline = Instant::now() + TABLES_TIME;
        let worker = self.worker;
        while matches!(self.decide(&tables), Decision::Wait) {
            let downstream = &mut *self.downstream;
            let newer = worker.tables.newer_than(tables.generation);
            let mut newer = pin!(timeout_at(deadline, newer));
            let waited = poll_fn(|context| {
                if let Poll::Ready(waited) = newer.as_mut().poll(context) {
                    return Poll::Ready(Ok(waited.is_ok()));
                }
                let gone = downstream.poll_gone(context);
                gone.map(|()| Err(Ended::ClientGone))
            });
            if !waited.await? {
                return Err(Ended::Failed(self.not_told(&tables)));
            }
            tables = worker.tables.get();
        }
        Ok(tables)
    }

    fn not_told(&self, tables: &Held) -> Failure {
        Failure::NotTold {
            destination: self.connection.original,
            server: tables.server.clone(),
        }
    }

    /// Does what there is to do at the end. What came of the request is recorded when the
    /// exchange is dropped.
    async fn end(&mut self, ended: Result<(), Ended>) {
        match ended {
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
            Err(Ended::Late(expired)) => {
                let flag = ResponseFlag::UpstreamRequestTimeout;
                self.tally.flags.insert(flag);
                self.tally.details = expired.details();
                self.downstream.abort();
            }
        }
        self.has_ended = true;
    }

    /// Begins the response to the client.
    pub fn start(&mut self, head: &mut ResponseHead) -> Result<(), Broken> {
        let server = self.worker.server(self.connection.direction);
        edit_response(head, server, None, &self.worker.date);
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

    /// Tells the client where to go instead.
    async fn redirect(&mut self, route: &'a Route, redirect: &Redirect) -> Result<(), Ended> {
        let location = redirect.location(&self.head, &route.matches.path);
        let head = redirect_reply(redirect.status, &location);
        self.answer_by_route(route, head, &[]).await;
        Ok(())
    }

    /// Answers as the route says.
    async fn respond_directly(
        &mut self,
        route: &'a Route,
        response: &DirectResponse,
    ) -> Result<(), Ended> {
        let body = match &response.body[..] {
            b"" if &*route.name == BLOCK_ALL => BLOCKED,
            body => body,
        };
        let head = direct_reply(response.status, &self.head.method, body);
        self.answer_by_route(route, head, body).await;
        Ok(())
    }

    async fn answer_by_route(&mut self, route: &'a Route, mut head: ResponseHead, body: &[u8]) {
        self.tally.route = Some(route);
        self.tally.details = "direct_response";
        route.response_headers.apply(&mut head.fields);
        self.send(head, body).await;
    }

    /// Sends a local reply that says why the server did not respond.
    async fn reply(&mut self, failure: &Failure) {
        self.tally.failed(failure);
        let (head, body) = local_reply(&self.head, failure);
        self.send(head, &body).await;
    }

    /// Sends a response of the proxy's own.
    async fn send(&mut self, mut head: ResponseHead, body: &[u8]) {
        discard(self.downstream).await;
        self.tally.service_time = None;
        if self.start(&mut head).is_err() {
            return self.tally.client_gone();
        }
        self.tally.read_grpc_status(&head.fields);
        self.tally.response_fields = Some(head.fields);
        let mut body = Text(match head.body {
            BodySize::Empty => &[],
            _ => body,
        });
        let mut pump = Pump::default();
        let downstream = &mut *self.downstream;
        let sent = poll_fn(|context| pump.poll(context, &mut body, downstream)).await;
        self.tally.response_bytes = pump.bytes;
        if sent.is_err() {
            self.tally.client_gone();
        }
    }
}

/// The name of Istio's route for hosts that nobody may go to.
const BLOCK_ALL: &str = "block_all";
/// What such a client is told.
const BLOCKED: &[u8] = b"no service and no ServiceEntry has this host and port, and outboundTrafficPolicy is REGISTRY_ONLY\n";

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
