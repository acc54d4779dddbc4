//! Connections of HTTP/2, which carry many requests at a time.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use hashbrown::HashMap;
use pillion_serve::Caller;
use tokio::{sync::Mutex, time::Instant};

use super::{Destination, lease::Lease};
use crate::{http2::Connection, records::Parties};

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
    lease: Lease,
    used: Instant,
}

impl Http2Pool {
    /// A connection that takes another stream, and who speaks to whom on it, if both have proved it.
    pub fn take(&self, company: Company) -> Option<(Connection, Option<Arc<Parties>>)> {
        let mut servers = self.servers.borrow_mut();
        let server = servers.get_mut(&company)?;
        server
            .connections
            .retain_mut(|shared| !shared.connection.is_gone());
        let free = |shared: &mut Shared| shared.connection.has_room();
        let index = server.connections.iter_mut().position(free)?;
        let shared = server.connections.get_mut(index)?;
        shared.used = Instant::now();
        if !shared.lease.count_request() {
            // It ends by itself behind its last stream.
            let last = server.connections.swap_remove(index);
            let parties = last.lease.parties().cloned();
            return Some((last.connection, parties));
        }
        Some((shared.connection.clone(), shared.lease.parties().cloned()))
    }

    /// Whether there is a connection, even if it takes no more streams.
    pub fn has_any(&self, company: Company) -> bool {
        let servers = self.servers.borrow();
        let known = servers.get(&company);
        known.is_some_and(|server| !server.connections.is_empty())
    }

    /// The lock to hold while a new connection is made.
    pub fn connecting(&self, company: Company) -> Rc<Mutex<()>> {
        let mut servers = self.servers.borrow_mut();
        Rc::clone(&servers.entry(company).or_default().connecting)
    }

    /// Adds a new connection, which is about to have its first request.
    pub fn add(&self, company: Company, connection: Connection, mut lease: Lease) {
        if !lease.count_request() {
            return;
        }
        let mut servers = self.servers.borrow_mut();
        let server = servers.entry(company).or_default();
        server.connections.push(Shared {
            connection,
            lease,
            used: Instant::now(),
        });
    }

    /// Lets go of the connections that have been idle for too long, and of those to endpoints
    /// that are gone; they end by themselves.
    pub fn sweep(&self, now: Instant) {
        self.servers.borrow_mut().retain(|_, server| {
            server.connections.retain_mut(|shared| {
                if shared.connection.streams() > 0 {
                    shared.used = now;
                }
                let idle = shared
                    .lease
                    .idle_timeout()
                    .map_or(IDLE, |own| own.min(IDLE));
                let is_used = now < shared.used + idle;
                !shared.connection.is_gone() && is_used && shared.lease.is_current()
            });
            !server.connections.is_empty() || Rc::strong_count(&server.connecting) > 1
        });
    }
}
