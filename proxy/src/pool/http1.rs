//! Idle connections of HTTP/1, which the next request to the same address uses.
//!
//! A pool belongs to a worker. The connection that was used last is used first, so that
//! the ones that are not needed grow old and are closed.

use std::{cell::RefCell, collections::HashMap, future::poll_fn, task::Poll, time::Duration};

use tokio::{task::unconstrained, time::Instant};

use super::Destination;
use crate::http1::Client;

/// How long a connection may be idle where the server does not say how long it keeps one:
/// less than the shortest that common servers have (Node.js, Apache: 5 s).
const DEFAULT_IDLE: Duration = Duration::from_secs(4);
/// The longest that a connection may be idle, whatever the server says.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// Idle connections that a worker keeps. There is no limit for one address: clients whose
/// requests come at the same time would have connections closed and opened all the time.
const MAX_TOTAL: usize = 4096;

/// A worker's idle connections.
#[derive(Debug, Default)]
pub(crate) struct Http1Pool {
    idle: RefCell<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    by_destination: HashMap<Destination, Vec<Idle>>,
    total: usize,
}

#[derive(Debug)]
struct Idle {
    client: Box<Client>,
    until: Instant,
}

impl Http1Pool {
    /// Takes an idle connection that is still usable, as far as can be seen from here.
    pub async fn take(&self, destination: Destination) -> Option<Box<Client>> {
        loop {
            let mut idle = self.pop(destination)?;
            if idle.until <= Instant::now() {
                continue;
            }
            // The budget of a task that has been busy would make every connection look alive.
            let unusable = poll_fn(|context| Poll::Ready(idle.client.poll_unusable(context)));
            if unconstrained(unusable).await.is_pending() {
                return Some(idle.client);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub fn give(&self, destination: Destination, client: Box<Client>) {
        let mut connections = self.idle.borrow_mut();
        if connections.total >= MAX_TOTAL {
            return;
        }
        let until = Instant::now() + keep_for(client.idle());
        let list = connections.by_destination.entry(destination).or_default();
        list.push(Idle { client, until });
        connections.total += 1;
    }

    /// Closes the connections that have been idle for too long.
    pub fn sweep(&self, now: Instant) {
        let mut connections = self.idle.borrow_mut();
        let mut total = 0;
        connections.by_destination.retain(|_, list| {
            list.retain(|idle| idle.until > now);
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
fn keep_for(server: Option<Duration>) -> Duration {
    let Some(timeout) = server else {
        return DEFAULT_IDLE;
    };
    let margin = Duration::from_secs(1).min(timeout / 2);
    (timeout - margin).min(MAX_IDLE)
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn keeps_all_that_were_in_use_at_a_time() {
        const BUSY: usize = 300;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let destination = Destination {
            address,
            source: None,
        };
        let pool = Http1Pool::default();
        let mut servers = Vec::new();
        for _ in 0..BUSY {
            let client = Client::new(TcpStream::connect(address).await.unwrap());
            servers.push(listener.accept().await.unwrap());
            pool.give(destination, Box::new(client));
        }
        for _ in 0..BUSY {
            assert!(pool.take(destination).await.is_some());
        }
        assert!(pool.take(destination).await.is_none());
    }
}
