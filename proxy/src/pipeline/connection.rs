//! The connection that requests come by.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pillion_serve::Caller;

use crate::{
    tables::{Listener, Listeners, Lookup},
    traffic::Direction,
};

/// A connection that clients have made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    pub direction: Direction,
    pub peer: SocketAddr,
    /// Where the client connected to.
    pub original: SocketAddr,
    /// Whether that is the proxy itself, a gateway: the connection was not captured.
    pub is_bound: bool,
}

/// How long a request or a connection waits for tables that say where it goes.
pub(crate) const TABLES_TIME: Duration = Duration::from_secs(5);

impl Connection {
    /// The listener that says what is done with it.
    pub fn listener<'t>(&self, listeners: &'t Listeners) -> Lookup<&'t Arc<Listener>> {
        if self.is_bound {
            let bound = listeners.bound.get(&self.original.port());
            return bound.map_or(Lookup::Missing, Lookup::Found);
        }
        listeners.find(self.direction, self.original)
    }

    /// Where the client wanted to go, by the kernel's word; `None` if it wanted the proxy itself.
    pub fn original_destination(&self) -> Option<SocketAddr> {
        (!self.is_bound).then_some(self.original)
    }

    /// The client, where there is more than one. What leaves the pod is all of its application.
    pub fn client(&self) -> Option<Caller> {
        let is_one_application = self.direction == Direction::Outbound && !self.is_bound;
        (!is_one_application).then(|| Caller::of(self.peer.ip()))
    }
}
