//! Where connections come in: ports, opened and closed on all workers while they run.

use std::{io, net::TcpListener, sync::Arc};

use tokio::sync::{mpsc::UnboundedSender, watch};

use crate::{metrics::Metrics, net::bind::bind, tables::Snapshot, traffic::Direction};

/// A port, and how its connections come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Entrance {
    /// The kernel redirects connections here, and knows where they were going.
    Captured(Direction),
    /// Clients connect to this port themselves.
    Bound(u16),
}

impl Entrance {
    /// The way of its connections. A gateway is the client of the mesh's servers.
    pub fn direction(self) -> Direction {
        match self {
            Self::Captured(direction) => direction,
            Self::Bound(_) => Direction::Outbound,
        }
    }
}

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Order {
    /// To accept from these sockets, which listen already.
    Open(Entrance, Vec<TcpListener>),
    /// To accept no more. Connections that have been accepted go on.
    Close(Entrance),
}

/// The entrances of all workers.
#[derive(Debug)]
pub(crate) struct Entrances {
    pub(super) workers: Vec<UnboundedSender<Order>>,
    /// What says which ports there are, if its kind does not.
    pub tables: watch::Receiver<Arc<Snapshot>>,
    pub metrics: Arc<Metrics>,
}

impl Entrances {
    /// Has every worker accept on the port, by sockets of its own. All of them listen once
    /// this returns.
    ///
    /// # Errors
    ///
    /// When the port can't be used. Then none of them listens.
    pub fn open(&self, entrance: Entrance, port: u16) -> io::Result<()> {
        let sockets: io::Result<Vec<_>> = self.workers.iter().map(|_| bind(port)).collect();
        for (worker, sockets) in self.workers.iter().zip(sockets?) {
            // Only a process that ends has no workers.
            let _ = worker.send(Order::Open(entrance, sockets));
        }
        Ok(())
    }

    /// Has every worker accept there no more.
    pub fn close(&self, entrance: Entrance) {
        for worker in &self.workers {
            let _ = worker.send(Order::Close(entrance));
        }
    }
}
