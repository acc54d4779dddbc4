//! A connection for a request: one from the pool, or a new one.

use std::{future::poll_fn, io, pin::pin, sync::Arc};

use pillion_serve::Caller;
use tokio::{task::spawn_local, time::timeout};

use super::{
    dial::{Undialled, dial},
    failure::Failure,
    upstream::Upstream,
    worker::Worker,
};
use crate::{
    http1::Client,
    http2::{self, ClientStream, End, NotSent},
    message::{Broken, RequestHead},
    metrics::Peer,
    net::stream::Stream,
    pool::{Company, Destination, Http1Connection, Lease},
    records::{Parties, Refused},
    tables::{Carried, Cluster, Counted, EndpointState, Overflow, Permit},
    traffic::Direction,
};

/// Which version of HTTP a server is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// Connects a request to a server.
#[derive(Debug)]
pub(super) struct Connector<'a> {
    pub worker: &'a Worker,
    pub cluster: &'a Cluster,
    /// `None` for an original destination.
    pub endpoint: Option<&'a Arc<EndpointState>>,
    pub destination: Destination,
    pub direction: Direction,
    /// Whose requests go by the same connections of HTTP/2.
    pub client: Option<Caller>,
    pub version: Version,
    /// Idle connections of HTTP/1 are not used.
    pub fresh: bool,
}

/// A request that has been begun on a connection.
#[derive(Debug)]
pub(super) struct Begun {
    pub upstream: Upstream,
    /// Whether the connection has been idle: the server may have closed it meanwhile.
    pub reused: bool,
    /// Who speaks to whom, if both have proved it.
    pub parties: Option<Arc<Parties>>,
}

/// What a request has waited for.
enum Free {
    /// Another connection may be made.
    Place(Option<Permit>),
    /// A connection that was in use.
    Connection(Box<Http1Connection>),
}

impl Connector<'_> {
    /// Begins a request on an idle connection, or on a new one if there is none.
    ///
    /// # Errors
    ///
    /// When the server can't be reached, or the request can't be sent to it.
    pub async fn begin(&self, head: &RequestHead) -> Result<Begun, Failure> {
        match self.version {
            Version::Http1 => self.begin_http1(head).await,
            Version::Http2 => self.begin_http2(head).await,
        }
    }

    async fn begin_http1(&self, head: &RequestHead) -> Result<Begun, Failure> {
        let idle = match self.fresh {
            true => None,
            false => {
                let pool = &self.worker.http1_pool;
                pool.take(self.destination, || self.has_surplus()).await
            }
        };
        let (mut connection, reused) = match idle {
            Some(connection) => (connection, true),
            // Boxed, and so are the others: a connection has room for what most requests do.
            None => Box::pin(self.wait_or_connect()).await?,
        };
        connection.client.start(head);
        Ok(Begun {
            parties: connection.parties().cloned(),
            upstream: Upstream::Http1(connection),
            reused,
        })
    }

    /// An idle connection has received what nobody asked for. No request's record tells of it.
    fn has_surplus(&self) {
        let (direction, refused) = (self.direction, Refused::Response);
        let recorder = &self.worker.recorder;
        recorder.refused(direction, refused, "bytes_on_idle_connection");
    }

    /// A new connection, or one that another request has used where there may not be a new one.
    async fn wait_or_connect(&self) -> Result<(Box<Http1Connection>, bool), Failure> {
        let _pending = self.enter(Counted::Pending)?;
        let permit = match self.place(self.has_http1()) {
            Ok(permit) => permit,
            Err(Overflow) => match self.wait().await {
                Free::Place(permit) => permit,
                Free::Connection(connection) => return Ok((connection, true)),
            },
        };
        let open = self.worker.http1_pool.opening(self.destination);
        let (stream, parties) = self.connect().await?;
        let client = Client::new(stream);
        let lease = Lease::new(self.cluster, self.endpoint, permit).between(parties);
        let connection = Http1Connection::new(client, self.destination, lease, open);
        Ok((Box::new(connection), false))
    }

    /// A place for a new connection. As in Envoy, a worker that has none to the endpoint may
    /// always make one: its requests could not wait for anything.
    fn place(&self, has_one: bool) -> Result<Option<Permit>, Overflow> {
        let place = self.cluster.enter(Counted::Connections);
        if place.is_err() && !has_one {
            return Ok(self.cluster.state.enter(Counted::Connections, u32::MAX));
        }
        place
    }

    fn has_http2(&self) -> bool {
        self.worker.http2_pool.has_any(self.company())
    }

    fn has_http1(&self) -> bool {
        self.worker.http1_pool.has_open(self.destination)
    }

    /// Waits for a connection that another request of this worker does not need any more, or
    /// for the end of one of any worker.
    async fn wait(&self) -> Free {
        let _waiting = self.cluster.enter(Counted::Waiting);
        let mut handed = self.worker.http1_pool.wait(self.destination);
        loop {
            let mut freed = pin!(self.cluster.state.freed().notified());
            // Before the look at the count, so that nothing is missed between the two.
            freed.as_mut().enable();
            if let Ok(permit) = self.place(self.has_http1()) {
                return Free::Place(permit);
            }
            tokio::select! {
                biased;
                Ok(connection) = &mut handed => return Free::Connection(connection),
                () = freed => {}
            }
        }
    }

    fn enter(&self, counted: Counted) -> Result<Option<Permit>, Failure> {
        let entered = self.cluster.enter(counted);
        entered.map_err(|Overflow| self.overflow())
    }

    fn overflow(&self) -> Failure {
        let cluster = Arc::clone(&self.cluster.settings.name);
        Failure::Overflow { cluster }
    }

    async fn begin_http2(&self, head: &RequestHead) -> Result<Begun, Failure> {
        // Only an upgrade may have to wait for a connection that is there already.
        if head.upgrade().is_none()
            && let Some(begun) = self.begin_on_shared(head).await?
        {
            return Ok(begun);
        }
        // The time includes that of the requests that have tried to connect before this one.
        let begun = timeout(
            self.cluster.settings.connect_timeout,
            Box::pin(self.begin_in_turn(head)),
        )
        .await;
        begun.unwrap_or_else(|_| Err(self.unreachable(io::ErrorKind::TimedOut.into())))
    }

    /// One request connects at a time, and those that have waited for it use its connection.
    async fn begin_in_turn(&self, head: &RequestHead) -> Result<Begun, Failure> {
        let _pending = self.enter(Counted::Pending)?;
        let connecting = self.worker.http2_pool.connecting(self.company());
        let alone = connecting.lock().await;
        // Another request may have connected meanwhile.
        if let Some(begun) = self.begin_on_shared(head).await? {
            return Ok(begun);
        }
        let permit = match self.place(self.has_http2()) {
            Ok(permit) => permit,
            Err(Overflow) => match self.wait_for_stream(head).await? {
                Ok(begun) => return Ok(begun),
                Err(permit) => permit,
            },
        };
        let (stream, parties) = self.connect().await?;
        let setup = &self.worker.http2_setup;
        let connected = http2::connect(stream, setup).await;
        let (mut connection, driver) = connected.map_err(|broken| self.broken(broken))?;
        // Nobody awaits it: it ends soon after the last that uses the connection, whatever the
        // server does, and how many use one is bounded by the pool and the clients' places.
        let (metrics, reporter) = (setup.metrics.clone(), self.direction.reporter());
        spawn_local(async move {
            if let End::Flood(frame) = driver.await {
                metrics.flooded(reporter, Peer::Server, frame);
            }
            // The connection counts as long as it is there.
            drop(permit);
        });
        let lease = Lease::new(self.cluster, self.endpoint, None).between(parties.clone());
        let pool = &self.worker.http2_pool;
        pool.add(self.company(), connection.clone(), lease);
        drop(alone);
        let stream = self.send(&mut connection, head).await;
        let stream = stream.map_err(|why| self.not_sent(why))?;
        Ok(Begun {
            upstream: Upstream::Http2(Box::new(stream)),
            reused: false,
            parties,
        })
    }

    /// Waits until a connection takes another stream, or another one may be made.
    async fn wait_for_stream(
        &self,
        head: &RequestHead,
    ) -> Result<Result<Begun, Option<Permit>>, Failure> {
        let _waiting = self.cluster.enter(Counted::Waiting);
        loop {
            let mut freed = pin!(self.cluster.state.freed().notified());
            freed.as_mut().enable();
            if let Some(begun) = self.begin_on_shared(head).await? {
                return Ok(Ok(begun));
            }
            if let Ok(permit) = self.place(self.has_http2()) {
                return Ok(Err(permit));
            }
            freed.await;
        }
    }

    async fn send(
        &self,
        connection: &mut http2::Connection,
        head: &RequestHead,
    ) -> Result<ClientStream, NotSent> {
        if head.upgrade().is_some() {
            // Servers say in their settings whether they take upgrades.
            poll_fn(|context| connection.poll_settled(context)).await;
        }
        connection.send(head)
    }

    async fn begin_on_shared(&self, head: &RequestHead) -> Result<Option<Begun>, Failure> {
        let Some((mut connection, parties)) = self.worker.http2_pool.take(self.company()) else {
            return Ok(None);
        };
        match self.send(&mut connection, head).await {
            Ok(stream) => Ok(Some(Begun {
                upstream: Upstream::Http2(Box::new(stream)),
                reused: true,
                parties,
            })),
            // A connection that ends just now is as good as none.
            Err(NotSent::Gone | NotSent::Full) => Ok(None),
            Err(why) => Err(self.not_sent(why)),
        }
    }

    fn company(&self) -> Company {
        Company {
            destination: self.destination,
            client: self.client,
        }
    }

    /// A new connection, and who speaks to whom on it, if both have proved it.
    async fn connect(&self) -> Result<(Stream, Option<Arc<Parties>>), Failure> {
        let carried = match self.version {
            Version::Http1 => Carried::Http1,
            Version::Http2 => Carried::Http2,
        };
        let dialled = dial(self.worker, self.cluster, self.destination, carried).await;
        dialled.map_err(|why| match why {
            Undialled::Connect(error) => self.unreachable(error),
            Undialled::Tls(failure) => Failure::Tls {
                to: self.destination.address,
                cluster: Arc::clone(&self.cluster.settings.name),
                failure,
            },
        })
    }

    fn unreachable(&self, error: io::Error) -> Failure {
        let to = self.destination.address;
        Failure::Connect { to, error }
    }

    fn not_sent(&self, why: NotSent) -> Failure {
        match why {
            NotSent::BadHead(Broken::Protocol(reason)) => Failure::NotCarried(reason),
            NotSent::NoUpgrades => self.broken(Broken::Protocol("takes_no_upgrades_by_http2")),
            NotSent::BadHead(_) | NotSent::Gone | NotSent::Full => {
                self.unreachable(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    fn broken(&self, broken: Broken) -> Failure {
        Failure::Upstream {
            to: self.destination.address,
            broken,
        }
    }
}
