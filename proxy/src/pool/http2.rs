//! Connections of HTTP/2, which carry many requests at a time.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use pillion_serve::Caller;
use tokio::{sync::Mutex, time::Instant};

use super::Destination;
use crate::http2::Connection;

/// How long a connection without a stream is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Which requests share connections.
///
/// Those of other clients to the same address don't: a client that does not read its
/// responses closes the window of the whole connection (RFC 9113, 5.2.1), and one that
/// misbehaves has the server end it, with everybody's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Company {
    pub destination: Destination,
    /// Not where all clients are the pod's own application.
    pub client: Option<Caller>,
}

/// A worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Http2Pool {
    servers: RefCell<HashMap<Company, Server>>,
}

/// The connections to one address, for one client.
#[derive(Debug, Default)]
struct Server {
    connections: Vec<Shared>,
    /// Held by the request that makes a new one: the others wait and use it, too.
    connecting: Rc<Mutex<()>>,
}

#[derive(Debug)]
struct Shared {
    connection: Connection,
    used: Instant,
}

impl Http2Pool {
    /// A connection that takes another stream.
    pub fn take(&self, company: Company) -> Option<Connection> {
        let mut servers = self.servers.borrow_mut();
        let server = servers.get_mut(&company)?;
        server
            .connections
            .retain_mut(|shared| !shared.connection.is_gone());
        let free = |shared: &mut Shared| shared.connection.has_room();
        let index = server.connections.iter_mut().position(free)?;
        let shared = server.connections.get_mut(index)?;
        shared.used = Instant::now();
        Some(shared.connection.clone())
    }

    /// The lock to hold while a new connection is made.
    pub fn connecting(&self, company: Company) -> Rc<Mutex<()>> {
        let mut servers = self.servers.borrow_mut();
        Rc::clone(&servers.entry(company).or_default().connecting)
    }

    /// Adds a new connection.
    pub fn add(&self, company: Company, connection: Connection) {
        let mut servers = self.servers.borrow_mut();
        let server = servers.entry(company).or_default();
        server.connections.push(Shared {
            connection,
            used: Instant::now(),
        });
    }

    /// Lets go of the connections that have been idle for too long; they end by themselves.
    pub fn sweep(&self, now: Instant) {
        self.servers.borrow_mut().retain(|_, server| {
            server.connections.retain_mut(|shared| {
                if shared.connection.streams() > 0 {
                    shared.used = now;
                }
                !shared.connection.is_gone() && now < shared.used + IDLE
            });
            !server.connections.is_empty() || Rc::strong_count(&server.connecting) > 1
        });
    }
}
