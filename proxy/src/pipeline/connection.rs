//! The connection that requests come by.

use std::net::{IpAddr, SocketAddr};

use pillion_serve::Caller;

use crate::{
    net::socket::{INBOUND_SOURCE_V4, INBOUND_SOURCE_V6},
    pool::Destination,
    traffic::Direction,
};

/// A captured connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    pub direction: Direction,
    pub peer: SocketAddr,
    /// Where the client connected to.
    pub original: SocketAddr,
}

impl Connection {
    /// Where to connect to for a request, and from which address: connections to an
    /// application come from one that is not captured again.
    pub fn destination(&self, address: SocketAddr) -> Destination {
        let source: Option<IpAddr> = match (self.direction, address) {
            (Direction::Outbound, _) => None,
            (Direction::Inbound, SocketAddr::V4(_)) => Some(INBOUND_SOURCE_V4.into()),
            (Direction::Inbound, SocketAddr::V6(_)) => Some(INBOUND_SOURCE_V6.into()),
        };
        Destination { address, source }
    }

    /// The client, where there is more than one. What leaves the pod is all of its application.
    pub fn client(&self) -> Option<Caller> {
        match self.direction {
            Direction::Outbound => None,
            Direction::Inbound => Some(Caller::of(self.peer.ip())),
        }
    }
}
