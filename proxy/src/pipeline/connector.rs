//! A connection for a request: one from the pool, or a new one.

use std::{future::poll_fn, io};

use pillion_serve::Caller;
use tokio::{net::TcpStream, task::spawn_local, time::timeout};

use super::{failure::Failure, upstream::Upstream, worker::Worker};
use crate::{
    http1::Client,
    http2::{self, ClientStream, NotSent},
    message::{Broken, RequestHead},
    net::socket::connect,
    pool::{Company, Destination},
    tables::Cluster,
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
    pub destination: Destination,
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
            false => self.worker.http1_pool.take(self.destination).await,
        };
        let reused = idle.is_some();
        let mut client = match idle {
            Some(client) => client,
            None => Box::new(Client::new(self.connect().await?)),
        };
        client.start(head);
        Ok(Begun {
            upstream: Upstream::Http1(client),
            reused,
        })
    }

    async fn begin_http2(&self, head: &RequestHead) -> Result<Begun, Failure> {
        // Only an upgrade may have to wait for a connection that is there already.
        if head.upgrade().is_none()
            && let Some(begun) = self.begin_on_shared(head).await?
        {
            return Ok(begun);
        }
        // The time includes that of the requests that have tried to connect before this one.
        let begun = timeout(self.cluster.connect_timeout, self.begin_in_turn(head)).await;
        begun.unwrap_or_else(|_| Err(self.unreachable(io::ErrorKind::TimedOut.into())))
    }

    /// One request connects at a time, and those that have waited for it use its connection.
    async fn begin_in_turn(&self, head: &RequestHead) -> Result<Begun, Failure> {
        let connecting = self.worker.http2_pool.connecting(self.company());
        let alone = connecting.lock().await;
        // Another request may have connected meanwhile.
        if let Some(begun) = self.begin_on_shared(head).await? {
            return Ok(begun);
        }
        let stream = self.connect().await?;
        let limits = &self.worker.http2_setup.limits;
        let connected = http2::connect(stream, limits).await;
        let (mut connection, driver) = connected.map_err(|broken| self.broken(broken))?;
        spawn_local(driver);
        let pool = &self.worker.http2_pool;
        pool.add(self.company(), connection.clone());
        drop(alone);
        let stream = self.send(&mut connection, head).await;
        let stream = stream.map_err(|why| self.not_sent(why))?;
        Ok(Begun {
            upstream: Upstream::Http2(Box::new(stream)),
            reused: false,
        })
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
        let Some(mut connection) = self.worker.http2_pool.take(self.company()) else {
            return Ok(None);
        };
        match self.send(&mut connection, head).await {
            Ok(stream) => Ok(Some(Begun {
                upstream: Upstream::Http2(Box::new(stream)),
                reused: true,
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

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let Destination { address, source } = self.destination;
        let connected = connect(address, source, self.cluster.connect_timeout).await;
        connected.map_err(|error| self.unreachable(error))
    }

    fn unreachable(&self, error: io::Error) -> Failure {
        let to = self.destination.address;
        Failure::Connect { to, error }
    }

    fn not_sent(&self, why: NotSent) -> Failure {
        match why {
            NotSent::BadHead(Broken::Protocol(reason)) => Failure::Target(reason),
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
