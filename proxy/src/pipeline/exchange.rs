//! A request and its response.

use std::{cell::OnceCell, future::poll_fn, pin::pin, task::Poll};

use http::Version as HttpVersion;
use tokio::time::{Instant, timeout_at};

use super::{
    connection::{Connection, TABLES_TIME},
    downstream::Downstream,
    edge::Edge,
    ended::Ended,
    failure::Failure,
    headers::{edit_request, edit_response},
    normal_path::{BadPath, normalized},
    request::{Cited, Request},
    rest::Rest,
    routing::{Decided, Decision, Target, decide},
    tally::Tally,
    traced::{Traced, Way},
    worker::Worker,
};
use crate::{
    message::{Broken, RequestHead, ResponseHead, Scheme},
    tables::{Clusters, Held, Leaving, Listeners},
    traffic::Direction,
};

/// A request, from its head to its record. `'t` is how long it holds the tables.
pub(super) struct Exchange<'a, 't, D> {
    pub worker: &'a Worker,
    pub connection: &'a Connection,
    pub downstream: &'a mut D,
    pub request: Request<'a, 't>,
    /// Chooses among weighted clusters, before and after a wait for tables.
    draw: OnceCell<u64>,
    /// The request's id was made here.
    has_new_id: bool,
}

/// A request whose response goes on, for as long as it likes: it does not hold the tables.
struct Long<'a, D> {
    exchange: Exchange<'a, 'a, D>,
    rest: Box<Rest<'a>>,
}

/// What is known at one time of where requests go.
#[derive(Clone)]
struct Known {
    tables: Held,
    /// For connections whose listener is gone.
    leaving: Leaving,
}

impl Known {
    fn of(worker: &Worker) -> Self {
        Self {
            tables: worker.tables.get(),
            leaving: worker.tables.leaving(),
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
    let Some(mut long) = begin(worker, connection, head, downstream).await else {
        return;
    };
    let ended = long.exchange.go_on(long.rest).await;
    long.exchange.end(ended).await;
}

/// Answers a request by the tables of now, to its end or until the rest does not need them.
async fn begin<'a, D: Downstream>(
    worker: &'a Worker,
    connection: &'a Connection,
    head: RequestHead,
    downstream: &'a mut D,
) -> Option<Long<'a, D>> {
    // What the exchange cites is held as long as it is there, without being counted.
    let (known, newer) = (Known::of(worker), OnceCell::new());
    let mut exchange = Exchange::new(worker, connection, head, downstream);
    if let Err(failure) = exchange
        .check_upgrade()
        .and_then(|()| exchange.normalize_path())
    {
        exchange.end(Err(Ended::Failed(failure))).await;
        return None;
    }
    let (mut decided, mut is_by_old) = exchange.decide(&known);
    if matches!(decided.decision, Decision::Wait) {
        // Few requests wait: their connections need not have room for it.
        (decided, is_by_old) = match Box::pin(exchange.wait(known.clone())).await {
            Ok(known) => exchange.decide(newer.get_or_init(|| known)),
            Err(ended) => {
                // It is traced as its listener says, which is known.
                exchange.trace(&decided);
                exchange.end(Err(ended)).await;
                return None;
            }
        };
    }
    if is_by_old {
        exchange.downstream.close_after_response();
    }
    exchange.trace(&decided);
    let ended = match decided.decision {
        Decision::Forward(target) => {
            exchange.request.cite(target.route, target.cluster);
            match exchange.forward(target).await {
                Ok(None) => Ok(()),
                Ok(Some(rest)) => {
                    let exchange = exchange.without_tables(&target);
                    return Some(Long { exchange, rest });
                }
                Err(ended) => Err(ended),
            }
        }
        Decision::Redirect(route, redirect) => exchange.redirect(route, redirect).await,
        Decision::Respond(route, response) => exchange.respond_directly(route, response).await,
        Decision::Fail(failure, route) => {
            exchange.request.route = route.map(Cited::Borrowed);
            Err(Ended::Failed(failure))
        }
        Decision::Wait => Err(Ended::Failed(exchange.not_told(&known.tables))),
        Decision::Gone => Err(Ended::Failed(Failure::NoListener)),
    };
    exchange.end(ended).await;
    None
}

/// Answers that there is no room for a request.
pub(super) async fn refuse<D: Downstream>(
    worker: &Worker,
    connection: &Connection,
    head: RequestHead,
    downstream: &mut D,
) {
    let mut exchange = Exchange::new(worker, connection, head, downstream);
    exchange.refuse(&Failure::Overload).await;
}

impl<'a, 't, D: Downstream> Exchange<'a, 't, D> {
    fn new(
        worker: &'a Worker,
        connection: &'a Connection,
        mut head: RequestHead,
        downstream: &'a mut D,
    ) -> Self {
        let mut tally = Tally::new();
        let scheme = match connection.secured {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        };
        if let Some(edge) = &worker.edge {
            tally.client = edge.admit(&mut head, connection.peer.ip(), scheme);
        }
        let keeps = |edge: &Edge| edge.keeps_client_cert;
        if !worker.edge.as_ref().is_some_and(keeps) {
            connection.client_cert.apply(&mut head.fields);
        }
        let mut has_new_id = false;
        edit_request(&mut head, scheme, || {
            has_new_id = true;
            worker.request_id()
        });
        Self {
            worker,
            connection,
            downstream,
            request: Request::new(worker, connection, head, tally),
            draw: OnceCell::new(),
            has_new_id,
        }
    }

    /// The same, without the tables.
    fn without_tables(self, to: &Target<'_>) -> Exchange<'a, 'a, D> {
        let Self {
            worker,
            connection,
            downstream,
            request,
            draw,
            has_new_id,
        } = self;
        Exchange {
            worker,
            connection,
            downstream,
            request: request.without_tables(to.route, to.cluster),
            draw,
            has_new_id,
        }
    }

    /// Other protocols would get past routes and policies, which look at HTTP. Envoy lets pass
    /// WebSocket alone by Istio's configuration.
    fn check_upgrade(&self) -> Result<(), Failure> {
        match self.request.head.upgrade() {
            Some(protocol) if !protocol.eq_ignore_ascii_case(b"websocket") => Err(Failure::Upgrade),
            _ => Ok(()),
        }
    }

    /// Brings the path into the form that routes are matched with.
    fn normalize_path(&mut self) -> Result<(), Failure> {
        let normal = normalized(self.request.head.path());
        let normal = normal.map_err(|BadPath| Failure::Bad("path_normalization_failed"))?;
        if let Some(path) = normal {
            self.request.head.set_path(&path);
        }
        Ok(())
    }

    /// Decides by the newest listeners, or by older ones where these don't know the connection
    /// any more, and says whether it is by these.
    fn decide<'n>(&self, by: &'n Known) -> (Decided<'n>, bool) {
        let clusters = &by.tables.clusters;
        let newest = self.decide_by((&by.tables.listeners, clusters));
        if !matches!(newest.decision, Decision::Gone) {
            return (newest, false);
        }
        let old = by.leaving.all().find_map(|listeners| {
            let decided = self.decide_by((listeners, clusters));
            (!matches!(decided.decision, Decision::Gone)).then_some(decided)
        });
        (old.unwrap_or(newest), true)
    }

    fn decide_by<'n>(&self, by: (&'n Listeners, &'n Clusters)) -> Decided<'n> {
        let is_old = self.request.head.version == HttpVersion::HTTP_10;
        // What comes from a pod with a sidecar is told by that of its server.
        let is_first =
            self.connection.direction == Direction::Inbound || self.worker.edge.is_some();
        if is_old && is_first && !self.worker.accepts_http10 {
            return Decision::Fail(Failure::Version, None).into();
        }
        let draw = || self.worker.with_random(|random| random.u64(..));
        let draw = || *self.draw.get_or_init(draw);
        decide(by, self.connection, &self.request.head, draw)
    }

    /// Has the request traced as its listener says, where it does.
    fn trace(&mut self, decided: &Decided<'_>) {
        if let Some(tracing) = decided.tracing {
            let way = Way {
                connection: self.connection,
                route: decided.decision.route(),
                cluster: decided.decision.cluster(),
                has_new_id: self.has_new_id,
            };
            let head = &mut self.request.head;
            self.request.traced = Traced::begin(self.worker, tracing, &way, head);
        }
    }

    /// Waits for tables that say where the request goes.
    async fn wait(&mut self, mut known: Known) -> Result<Known, Ended> {
        let deadline = Instant::now() + TABLES_TIME;
        let worker = self.worker;
        while matches!(self.decide(&known).0.decision, Decision::Wait) {
            let downstream = &mut *self.downstream;
            let newer = worker.tables.newer_than(known.tables.generation);
            let mut newer = pin!(timeout_at(deadline, newer));
            let waited = poll_fn(|context| {
                if let Poll::Ready(waited) = newer.as_mut().poll(context) {
                    return Poll::Ready(Ok(waited.is_ok()));
                }
                let gone = downstream.poll_gone(context);
                gone.map(|()| Err(Ended::ClientGone))
            });
            if !waited.await? {
                return Err(Ended::Failed(self.not_told(&known.tables)));
            }
            known = Known::of(worker);
        }
        Ok(known)
    }

    fn not_told(&self, tables: &Held) -> Failure {
        Failure::NotTold {
            destination: self.connection.original,
            server: tables.server.clone(),
        }
    }

    /// Begins the response to the client.
    pub fn start(&mut self, head: &mut ResponseHead) -> Result<(), Broken> {
        let server = self.worker.server(self.connection.direction);
        edit_response(head, server, None, &self.worker.date);
        let (request, direction) = (&mut self.request, self.connection.direction);
        request
            .traced
            .answer(direction, &request.head, &mut head.fields);
        if self.worker.is_draining() {
            self.downstream.close_after_response();
        }
        self.request.tally.status = Some(head.status);
        self.downstream.start(head)
    }
}
