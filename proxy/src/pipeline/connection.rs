//! The connection that requests come by.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pillion_serve::Caller;

use super::client_cert::ClientCertField;
use crate::{
    tables::{ClientHello, Listener, Listeners, Lookup},
    traffic::Direction,
    transport::Secured,
};

/// A connection that clients have made.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub direction: Direction,
    pub peer: SocketAddr,
    /// Where the client connected to.
    pub original: SocketAddr,
    /// Whether that is the proxy itself, a gateway: the connection was not captured.
    pub is_bound: bool,
    /// What is known of the client, if it has proved who it is.
    pub secured: Option<Arc<Secured>>,
    /// What requests say of the client's certificate.
    pub client_cert: ClientCertField,
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

    /// What the client of a connection of TLS that ends here has asked for.
    pub fn hello(&self) -> Option<&ClientHello> {
        self.secured.as_ref().map(|secured| &secured.hello)
    }

    /// Whether newer tables may refuse it while it is open: its client has proved nothing, and the port may come
    /// to require that of all clients.
    pub fn can_be_left(&self) -> bool {
        self.direction == Direction::Inbound && self.secured.is_none()
    }

    /// Whether listeners have a place for it, which its own listener says. A listener that has not been sent yet may
    /// have one.
    pub fn has_place(&self, listeners: &Listeners, says: impl FnOnce(&Listener) -> bool) -> bool {
        match self.listener(listeners) {
            Lookup::Found(listener) => says(listener),
            Lookup::Waiting => true,
            Lookup::Missing => false,
        }
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
