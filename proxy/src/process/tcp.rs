//! A connection whose bytes are passed on as they are, from its route to its record.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::net::TcpStream;

use super::refusal::Refusal;
use crate::{
    metrics::Metrics,
    net::{
        input::Input,
        socket::{connect, reset_when_dropped},
    },
    pipeline::{Connection, TABLES_TIME, Worker, destination},
    pool::Destination,
    records::{ConnectionFacts, ResponseFlag, ResponseFlags, connect_failure},
    tables::{
        ActiveRequest, Avoid, BLACK_HOLE, Cluster, Counted, EndpointState, Lookup, Overflow,
        Permit, Pick, Picked, Snapshot, TcpAction,
    },
    tcp::relay::{End, relay},
};

/// A connection whose bytes are passed on as they are.
pub(super) struct Tcp<'a> {
    pub worker: &'a Worker,
    pub metrics: &'a Metrics,
    pub connection: Connection,
    /// What the client asks for in its TLS handshake.
    pub server_name: Option<Arc<str>>,
}

/// Where a connection goes.
struct Way {
    cluster: Arc<Cluster>,
    /// How long neither side may say anything.
    idle_timeout: Duration,
}

/// A connection to a server.
struct Connected {
    server: TcpStream,
    address: SocketAddr,
    /// Count it, where the cluster has a limit and where the endpoint is one of several.
    counted: (Option<Permit>, Option<ActiveRequest>),
}

impl Tcp<'_> {
    /// Carries it to its end.
    pub async fn carry(self, stream: TcpStream, received: Input) {
        let mut facts = self.facts();
        let Way {
            cluster,
            idle_timeout,
        } = match self.way().await {
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
        // A connection may outlive many generations of its cluster.
        drop(cluster);
        let live = self.worker.recorder.connection(facts);
        let Connected {
            server,
            counted: _counted,
            ..
        } = connected;
        let end = relay(stream, received, server, idle_timeout, |bytes| {
            live.add_received(bytes.received);
            live.add_sent(bytes.sent);
        });
        let flags = match end.await {
            End::Closed => ResponseFlags::default(),
            End::ClientReset => ResponseFlag::DownstreamConnectionTermination.into(),
            End::ServerReset => ResponseFlag::UpstreamConnectionTermination.into(),
            End::Idle => ResponseFlag::StreamIdleTimeout.into(),
        };
        live.closed(flags);
    }

    /// Resets a connection of which the tables have not said anything in time.
    pub fn refuse_untold(&self, stream: &TcpStream) {
        self.warn_untold();
        self.refuse(stream, self.facts(), Refusal::TimedOut);
    }

    fn warn_untold(&self) {
        let destination = self.connection.original;
        let server = &self.worker.tables.get().server;
        tracing::warn!(%destination, %server, "the control plane has not said in time where a connection goes; it is reset");
    }

    /// Where it goes, as soon as the tables say so.
    async fn way(&self) -> Result<Way, Refusal> {
        let draw = self.worker.with_random(|random| random.u64(..));
        let look = |tables: &Snapshot| self.look(tables, draw);
        match self.worker.tables.look_up(TABLES_TIME, look).await {
            Lookup::Found(told) => told,
            Lookup::Missing => Err(Refusal::NoListener),
            Lookup::Waiting => {
                self.warn_untold();
                Err(Refusal::TimedOut)
            }
        }
    }

    fn look(&self, tables: &Snapshot, draw: u64) -> Lookup<Result<Way, Refusal>> {
        let listener = match self.connection.listener(&tables.listeners) {
            Lookup::Found(listener) => listener,
            Lookup::Missing => return Lookup::Missing,
            Lookup::Waiting => return Lookup::Waiting,
        };
        let original = self.connection.original;
        let Some(route) = listener.tcp.find(original, self.server_name.as_deref()) else {
            return Lookup::Found(Err(Refusal::NoRoute));
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

    async fn connect(&self, cluster: &Cluster) -> Result<Connected, Refusal> {
        let original = self.connection.original_destination();
        let pick = self
            .worker
            .with_random(|random| cluster.pick(original, Avoid::default(), random));
        let Pick::Endpoint(Picked { address, state, .. }) = pick else {
            return Err(match &*cluster.settings.name == BLACK_HOLE {
                true => Refusal::Blocked,
                false => Refusal::NoEndpoint,
            });
        };
        let permit = cluster
            .enter(Counted::Connections)
            .map_err(|Overflow| Refusal::Overflow)?;
        let active = state.as_ref().map(EndpointState::begin);
        let Destination {
            address, source, ..
        } = destination(cluster, address);
        match connect(address, source, cluster.settings.connect_timeout).await {
            Ok(server) => Ok(Connected {
                server,
                address,
                counted: (permit, active),
            }),
            Err(error) => Err(Refusal::Connect { to: address, error }),
        }
    }

    fn refuse(&self, stream: &TcpStream, mut facts: ConnectionFacts, refusal: Refusal) {
        let reason = refusal.reason();
        tracing::debug!(peer = %facts.downstream_remote, original = %facts.downstream_local, reason, "a connection is reset");
        self.metrics.refused(facts.direction, reason);
        facts.flags = refusal.flag().into();
        facts.details = reason;
        if let Refusal::Connect { to, error } = refusal {
            facts.upstream_host = Some(to);
            facts.upstream_failure = Some(Arc::from(connect_failure(&error)));
        }
        drop(self.worker.recorder.connection(facts));
        reset_when_dropped(stream);
    }

    fn facts(&self) -> ConnectionFacts {
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
            server_name: self.server_name.clone(),
            upstream_failure: None,
        }
    }
}

#[cfg(test)]
mod tests;
