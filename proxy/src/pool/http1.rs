//! Idle connections of HTTP/1, which the next request to the same address uses.
//!
//! A pool belongs to a worker. The connection that was used last is used first, so that
//! the ones that are not needed grow old and are closed.

use std::{cell::RefCell, future::poll_fn, rc::Rc, sync::Arc, task::Poll, time::Duration};

use hashbrown::HashMap;
use tokio::{sync::oneshot, task::unconstrained, time::Instant};

use super::{Destination, lease::Lease, waiting::Waiting};
use crate::{
    http1::{Client, Unusable},
    records::Parties,
    tables::Counted,
};

/// How long a connection may be idle where the server does not say how long it keeps one:
/// less than the shortest that common servers have (Node.js, Apache: 5 s).
const DEFAULT_IDLE: Duration = Duration::from_secs(4);
/// The longest that a connection may be idle, whatever the server says.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// Idle connections that a worker keeps. There is no limit for one address: clients whose
/// requests come at the same time would have connections closed and opened all the time.
const MAX_TOTAL: usize = 4096;

/// A connection, and what it belongs to.
#[derive(Debug)]
pub(crate) struct Http1Connection {
    pub client: Client,
    destination: Destination,
    lease: Lease,
    _open: Open,
}

/// A connection that is open or about to be, as long as it is held.
#[derive(Debug)]
pub(crate) struct Open(#[expect(dead_code, reason = "it is counted")] Rc<()>);

impl Http1Connection {
    /// A new connection, which is about to have its first request.
    pub fn new(client: Client, destination: Destination, lease: Lease, open: Open) -> Self {
        Self {
            client,
            destination,
            lease,
            _open: open,
        }
    }

    /// Who speaks to whom, if both have proved it.
    pub fn parties(&self) -> Option<&Arc<Parties>> {
        self.lease.parties()
    }
}

/// A worker's idle connections.
#[derive(Debug, Default)]
pub(crate) struct Http1Pool {
    idle: RefCell<Connections>,
    waiting: RefCell<Waiting<Box<Http1Connection>>>,
    /// The connections that are idle or in use each hold theirs.
    open: RefCell<HashMap<Destination, Rc<()>>>,
}

#[derive(Debug, Default)]
struct Connections {
    by_destination: HashMap<Destination, Vec<Idle>>,
    total: usize,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Http1Connection>,
    until: Instant,
}

impl Http1Pool {
    /// Takes an idle connection that is still usable, as far as can be seen from here. Tells
    /// of each one that is not because its server has sent what nobody asked for.
    pub async fn take(
        &self,
        destination: Destination,
        has_surplus: impl Fn(),
    ) -> Option<Box<Http1Connection>> {
        loop {
            let mut idle = self.pop(destination)?;
            if idle.until <= Instant::now() {
                continue;
            }
            // The budget of a task that has been busy would make every connection look alive.
            let unusable =
                poll_fn(|context| Poll::Ready(idle.connection.client.poll_unusable(context)));
            match unconstrained(unusable).await {
                Poll::Pending => return Some(idle.connection),
                Poll::Ready(Unusable::HasSurplus) => has_surplus(),
                Poll::Ready(Unusable::Ended) => {}
            }
        }
    }

    /// A connection to that address is about to be made.
    pub fn opening(&self, destination: Destination) -> Open {
        let mut open = self.open.borrow_mut();
        Open(Rc::clone(open.entry(destination).or_default()))
    }

    /// Whether this worker has a connection to that address: idle, in use or about to be made.
    pub fn has_open(&self, destination: Destination) -> bool {
        let open = self.open.borrow();
        let known = open.get(&destination);
        known.is_some_and(|known| Rc::strong_count(known) > 1)
    }

    /// Waits for a connection to that address which another request of this worker has used.
    pub fn wait(&self, destination: Destination) -> oneshot::Receiver<Box<Http1Connection>> {
        self.waiting.borrow_mut().add(destination)
    }

    /// Keeps a connection for the next request, after it has had one.
    pub fn give(&self, mut connection: Box<Http1Connection>) {
        if !connection.lease.count_request() {
            return;
        }
        let cluster = connection.lease.limited();
        if cluster.is_some_and(|cluster| cluster.count(Counted::Waiting) > 0) {
            let mut waiting = self.waiting.borrow_mut();
            let Some(back) = waiting.give(connection.destination, connection) else {
                return;
            };
            connection = back;
        }
        let mut connections = self.idle.borrow_mut();
        if connections.total >= MAX_TOTAL {
            return;
        }
        let until = Instant::now() + keep_for(&connection);
        let list = connections
            .by_destination
            .entry(connection.destination)
            .or_default();
        list.push(Idle { connection, until });
        connections.total += 1;
    }

    /// Closes the connections that have been idle for too long, and those to endpoints that
    /// are gone.
    pub fn sweep(&self, now: Instant) {
        self.waiting.borrow_mut().sweep();
        let mut open = self.open.borrow_mut();
        open.retain(|_, known| Rc::strong_count(known) > 1);
        drop(open);
        let mut connections = self.idle.borrow_mut();
        let mut total = 0;
        connections.by_destination.retain(|_, list| {
            list.retain(|idle| idle.until > now && idle.connection.lease.is_current());
            total += list.len();
            !list.is_empty()
        });
        connections.total = total;
    }

    fn pop(&self, destination: Destination) -> Option<Idle> {
        let mut connections = self.idle.borrow_mut();
        let idle = connections.by_destination.get_mut(&destination)?.pop()?;
        connections.total -= 1;
        Some(idle)
    }
}

/// A second before the server closes it, or half the time where that is less.
fn keep_for(connection: &Http1Connection) -> Duration {
    let by_server = match connection.client.idle() {
        Some(timeout) => timeout - Duration::from_secs(1).min(timeout / 2),
        None => DEFAULT_IDLE,
    };
    let configured = connection.lease.idle_timeout().unwrap_or(MAX_IDLE);
    by_server.min(MAX_IDLE).min(configured)
}

#[cfg(test)]
mod tests;
