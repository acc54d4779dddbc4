//! What is done with a connection, by its direction and its original destination.

use std::{net::SocketAddr, sync::Arc, time::Duration};

#[cfg(test)]
use super::{Action, PathMatch, Route, VirtualHost};
use super::{Cluster, Hosts};
use crate::traffic::Direction;

/// How a connection's protocol is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "no protocol is declared in the built-in tables")
)]
pub(crate) enum Detection {
    /// By its first bytes. A client that says nothing for so long, and one that may wait
    /// for the server to speak first, speaks TCP.
    Sniff(Duration),
    /// It is HTTP. What is not is refused.
    Http,
    /// It is not looked at, and its bytes are passed on as they are.
    Tcp,
}

/// A listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub detection: Detection,
    /// Where requests go.
    pub hosts: Hosts,
    /// Where connections go that are not HTTP.
    pub tcp: Arc<Cluster>,
}

#[cfg(test)]
impl Listener {
    /// Has every request and every connection go to that cluster.
    pub fn forward_all_to(&mut self, cluster: &Arc<Cluster>) {
        let routes = vec![Route {
            name: Arc::from("test"),
            path: PathMatch::Prefix(String::new()),
            action: Action::Forward(Arc::clone(cluster)),
        }];
        self.hosts = Hosts::default();
        self.hosts.add("*", Arc::new(VirtualHost { routes }));
        self.tcp = Arc::clone(cluster);
    }
}

/// The listeners of the two directions.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub outbound: Listener,
    pub inbound: Listener,
}

impl Listeners {
    /// The listener for a connection.
    pub fn find(&self, direction: Direction, _destination: SocketAddr) -> &Listener {
        match direction {
            Direction::Outbound => &self.outbound,
            Direction::Inbound => &self.inbound,
        }
    }
}
