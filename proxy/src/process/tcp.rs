//! A connection whose bytes are passed on as they are, from its route to its record.

use std::{
    future::pending,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::refusal::Refusal;
use crate::{
    metrics::Metrics,
    net::{
        input::Input,
        stream::{Stream, reset_when_dropped},
    },
    pipeline::{Connection, TABLES_TIME, Undialled, Worker, destination, dial},
    records::{ConnectionFacts, Parties, ResponseFlag, ResponseFlags},
    tables::{
        ActiveRequest, Avoid, BLACK_HOLE, Carried, ClientHello, Cluster, Counted, EndpointState,
        Listener, Lookup, Overflow, Permit, Pick, Snapshot, TcpAction,
    },
    tcp::relay::{End, relay},
    traffic::Direction,
    transport::TlsFailure,
};

/// Envoy's text for a connection that was ended because newer tables don't pass it on.
const CHAIN_GONE: &str = "filter_chain_is_being_removed";

/// A connection whose bytes are passed on as they are.
pub(super) struct Tcp<'a> {
    pub worker: &'a Worker,
    pub metrics: &'a Metrics,
    pub connection: Connection,
    /// What the client asks for in its TLS handshake, if it does one.
    pub hello: Option<ClientHello>,
}

/// Where a connection goes.
struct Way {
    cluster: Arc<Cluster>,
    /// How long neither side may say anything.
    idle_timeout: Duration,
}

/// A connection to a server.
struct Connected {
    server: Stream,
    address: SocketAddr,
    /// This proxy and the server, if both have proved who they are.
    parties: Option<Arc<Parties>>,
    /// Count it, where the cluster has a limit and where the endpoint is one of several.
    counted: (Option<Permit>, Option<ActiveRequest>),
}

impl Tcp<'_> {
    /// Carries it to its end.
    pub async fn carry(self, stream: Stream, received: Input) {
        let mut facts = self.facts();
        let Way {
            cluster,
            idle_timeout,
        } = match self.way(!received.is_empty()).await {
            Ok(way) => way,
            Err(refusal) => return self.refuse(&stream, facts, refusal),
        };
        facts.cluster = Arc::clone(&cluster.settings.name);
        facts.service.clone_from(&cluster.settings.service);
        let connected = match self.connect(&cluster).await {
            Ok(connected) => connected,
            Err(refusal) => return self.refuse(&stream, facts, refusal),
        };
        facts.upstream_host = Some(connected.address);
        facts.upstream_local = connected.server.local_addr().ok();
        if self.connection.direction == Direction::Outbound {
            facts.parties = connected.parties;
        }
        // A connection may outlive many generations of its cluster.
        drop(cluster);
        let (to, name) = (connected.address, Arc::clone(&facts.cluster));
        let live = self.worker.recorder.connection(facts);
        let Connected {
            server,
            counted: _counted,
            ..
        } = connected;
        let until = (idle_timeout, self.left());
        let end = relay(stream, received, server, until, |bytes| {
            live.add_received(bytes.received);
            live.add_sent(bytes.sent);
        });
        let end = end.await;
        let flags = match end {
            End::Closed => ResponseFlags::default(),
            End::ClientReset => ResponseFlag::DownstreamConnectionTermination.into(),
            End::ServerReset => ResponseFlag::UpstreamConnectionTermination.into(),
            End::ServerAlert(alert) => {
                self.worker.warn_of_server(to, &name, &alert);
                ResponseFlag::UpstreamConnectionFailure.into()
            }
            End::Idle => ResponseFlag::StreamIdleTimeout.into(),
            End::Left => {
                self.warn_of_left();
                return live.cut(ResponseFlag::NoRouteFound.into(), CHAIN_GONE);
            }
        };
        live.closed(flags);
    }

    /// Resets a connection of which the tables have not said anything in time.
    pub fn refuse_untold(&self, stream: &Stream) {
        self.warn_untold();
        self.refuse(stream, self.facts(), Refusal::TimedOut);
    }

    fn warn_untold(&self) {
        let destination = self.connection.original;
        let server = &self.worker.tables.get().server;
        tracing::warn!(%destination, %server, "the control plane has not said in time where a connection goes; it is reset");
    }

    /// Waits until the newest tables have had no place for this connection for a while: it is older than the
    /// requirement that clients of its port prove who they are.
    async fn left(&self) {
        if !self.connection.can_be_left() {
            return pending().await;
        }
        // Most connections need not have room for it.
        Box::pin(self.worker.tables.left_by(|listeners| {
            let (to, hello) = (self.connection.original, self.hello());
            let passes_on = |listener: &Listener| listener.passes_on(to, hello);
            self.connection.has_place(listeners, passes_on)
        }))
        .await;
    }

    fn warn_of_left(&self) {
        let tables = self.worker.tables.get();
        let Lookup::Found(listener) = self.connection.listener(&tables.listeners) else {
            return;
        };
        if let Some(chain) = listener.mutual_chain() {
            let what = "ended a connection without mutual TLS that was open before";
            self.warn_of_plaintext(chain.policy.as_deref(), what);
        }
    }

    /// Returns where it goes, as soon as the tables say so. `has_spoken` is whether the client has said anything.
    async fn way(&self, has_spoken: bool) -> Result<Way, Refusal> {
        let draw = self.worker.with_random(|random| random.u64(..));
        let look = |tables: &Snapshot| self.look(tables, draw, has_spoken);
        match self.worker.tables.look_up(TABLES_TIME, look).await {
            Lookup::Found(told) => told,
            Lookup::Missing => Err(Refusal::NoListener),
            Lookup::Waiting => {
                self.warn_untold();
                Err(Refusal::TimedOut)
            }
        }
    }

    fn look(&self, tables: &Snapshot, draw: u64, has_spoken: bool) -> Lookup<Result<Way, Refusal>> {
        let listener = match self.connection.listener(&tables.listeners) {
            Lookup::Found(listener) => listener,
            Lookup::Missing => return Lookup::Missing,
            Lookup::Waiting => return Lookup::Waiting,
        };
        let original = self.connection.original;
        let Some(route) = listener.route_of(original, self.hello()) else {
            return Lookup::Found(Err(self.without_route(listener, has_spoken)));
        };
        let forward = match &route.action {
            TcpAction::Forward(forward) => forward,
            TcpAction::Refuse(why) => return Lookup::Found(Err(Refusal::ByTables(*why))),
        };
        let chosen = forward.clusters.choose(|| draw);
        let found = chosen.map_or(Lookup::Missing, |chosen| tables.clusters.find(chosen.name));
        Lookup::Found(match found {
            Lookup::Found(cluster) => Ok(Way {
                cluster: Arc::clone(cluster),
                idle_timeout: forward.idle_timeout,
            }),
            Lookup::Missing => Err(Refusal::NoCluster),
            Lookup::Waiting => return Lookup::Waiting,
        })
    }

    fn hello(&self) -> Option<&ClientHello> {
        self.connection.hello().or(self.hello.as_ref())
    }

    /// Why a connection is refused that the listener has no route for.
    fn without_route(&self, listener: &Listener, has_spoken: bool) -> Refusal {
        match listener.mutual_chain().filter(|_| self.hello().is_none()) {
            // It may only check whether the port is open, and has sent nothing in plaintext.
            Some(_) if !has_spoken => Refusal::Silent,
            Some(chain) => {
                let what = "refused a client that speaks plaintext";
                self.warn_of_plaintext(chain.policy.as_deref(), what);
                Refusal::Plaintext
            }
            None => Refusal::NoRoute,
        }
    }

    fn warn_of_plaintext(&self, policy: Option<&str>, what: &str) {
        let (peer, port) = (self.connection.peer, self.connection.original.port());
        if let Some(held_back) = self.worker.transport.may_warn(peer.ip()) {
            tracing::warn!(
                %peer, port, policy, held_back = held_back.own(),
                "{what}, because this port takes mutual TLS alone: give the client a sidecar, or set the mode of the \
                 PeerAuthentication to PERMISSIVE for this port"
            );
        }
    }

    /// Records a connection whose client has not proved who it is.
    pub fn refuse_client(&self, failure: TlsFailure) {
        let (peer, port) = (self.connection.peer, self.connection.original.port());
        if failure.is_remarkable()
            && let Some(held_back) = self.worker.transport.may_warn(peer.ip())
        {
            tracing::warn!(%peer, port, held_back = held_back.own(), "mutual TLS with a client failed: {failure}");
        }
        self.record(self.facts(), &Refusal::Handshake(failure));
    }

    async fn connect(&self, cluster: &Cluster) -> Result<Connected, Refusal> {
        let original = self.connection.original_destination();
        let pick = self
            .worker
            .with_random(|random| cluster.pick(original, Avoid::default(), random));
        let Pick::Endpoint(picked) = pick else {
            return Err(match &*cluster.settings.name == BLACK_HOLE {
                true => Refusal::Blocked,
                false => Refusal::NoEndpoint,
            });
        };
        let permit = cluster
            .enter(Counted::Connections)
            .map_err(|Overflow| Refusal::Overflow)?;
        let active = picked.state.as_ref().map(EndpointState::begin);
        let is_secured = picked.security.for_bytes();
        let to = destination(self.worker, cluster, picked.address, is_secured);
        let dialled = dial(self.worker, cluster, to, Carried::Bytes).await;
        let (server, parties) = dialled.map_err(|why| match why {
            Undialled::Connect(error) => Refusal::Connect {
                to: to.address,
                error,
            },
            Undialled::Tls(failure) => Refusal::Tls {
                to: to.address,
                failure,
            },
        })?;
        Ok(Connected {
            server,
            address: to.address,
            parties,
            counted: (permit, active),
        })
    }

    fn refuse(&self, stream: &Stream, facts: ConnectionFacts, refusal: Refusal) {
        self.record(facts, &refusal);
        reset_when_dropped(stream);
    }

    fn record(&self, mut facts: ConnectionFacts, refusal: &Refusal) {
        let reason = refusal.reason();
        tracing::debug!(peer = %facts.downstream_remote, original = %facts.downstream_local, reason, "a connection is reset");
        self.metrics.refused(facts.direction, reason);
        facts.flags = refusal.flag().into();
        facts.details = reason;
        if let Some((server, why)) = refusal.server() {
            facts.upstream_host = Some(server);
            facts.upstream_failure = Some(Arc::from(why));
        }
        drop(self.worker.recorder.connection(facts));
    }

    fn facts(&self) -> ConnectionFacts {
        let secured = self.connection.secured.as_ref();
        ConnectionFacts {
            direction: self.connection.direction,
            flags: ResponseFlags::default(),
            details: "",
            started: SystemTime::now(),
            cluster: Arc::from(""),
            service: None,
            upstream_host: None,
            upstream_local: None,
            downstream_local: self.connection.original,
            downstream_remote: self.connection.peer,
            server_name: self.hello().and_then(|hello| hello.server_name.clone()),
            downstream_tls: secured.map(|secured| (Arc::clone(&secured.parties), secured.version)),
            parties: secured
                .filter(|_| self.connection.direction == Direction::Inbound)
                .map(|secured| Arc::clone(&secured.parties)),
            upstream_failure: None,
        }
    }
}

#[cfg(test)]
mod tests;
