//! What is done with a connection, by its direction and its original destination.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use hashbrown::HashMap;

use super::{
    ClientHello, HttpListener, Lookup, TcpRoute, TcpRoutes, TlsChain, TlsChains, TlsChoice,
};
use crate::traffic::Direction;

/// How a connection's protocol is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detection {
    /// By its first bytes. A client that says nothing for so long, and one that may wait
    /// for the server to speak first, speaks TCP.
    Sniff(Duration),
    /// It is HTTP. What is not is refused.
    Http,
    /// By its first bytes, whether it is TLS. A client that says nothing for so long speaks TCP.
    Tls(Duration),
    /// It is not looked at, and its bytes are passed on as they are.
    Tcp,
}

/// A listener.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Such as `0.0.0.0_9080`.
    pub name: Arc<str>,
    pub detection: Detection,
    /// Where requests go. Without it, connections of HTTP are carried as any other.
    pub http: Option<HttpListener>,
    /// Where connections go that are not HTTP.
    pub tcp: TcpRoutes,
    /// What is done with TLS, where it is told from everything else.
    pub tls: Option<TlsChains>,
}

impl Listener {
    /// How the protocol of a connection to that address is found out. As among Envoy's filter
    /// chains, a range of addresses with a route of bytes comes before the protocol.
    pub fn detection_for(&self, destination: SocketAddr) -> Detection {
        match self.http.is_some() && self.tcp.has_range_of(destination.ip()) {
            true => Detection::Tcp,
            false => self.detection,
        }
    }

    /// The chain of a connection of TLS that is told from everything else.
    pub fn tls_chain(&self, hello: &ClientHello) -> Option<&TlsChain> {
        match self.tls.as_ref()?.find(hello) {
            TlsChoice::Chain(chain) => Some(chain),
            TlsChoice::Other | TlsChoice::None => None,
        }
    }

    /// Where requests of a connection go, which is one of TLS if it has said such a hello.
    pub fn http_of(&self, hello: Option<&ClientHello>) -> Option<&HttpListener> {
        match hello {
            None => self.http.as_ref(),
            Some(hello) => self.tls_chain(hello)?.http.as_ref(),
        }
    }

    /// Where the bytes of a connection go, which is one of TLS if it has said such a hello.
    pub fn route_of(
        &self,
        destination: SocketAddr,
        hello: Option<&ClientHello>,
    ) -> Option<&TcpRoute> {
        let name = hello.and_then(ClientHello::name);
        let (Some(hello), Some(tls)) = (hello, &self.tls) else {
            return self.tcp.find(destination, name);
        };
        match tls.find(hello) {
            TlsChoice::Chain(chain) => chain.tcp.find(destination, name),
            TlsChoice::Other => self.tcp.find(destination, name),
            TlsChoice::None => self.tcp.default.as_ref(),
        }
    }

    /// Whether a connection's bytes are passed on as they come. `hello` is what it sent if it is a connection of TLS.
    pub fn passes_on(&self, destination: SocketAddr, hello: Option<&ClientHello>) -> bool {
        let chain = hello.and_then(|hello| self.tls_chain(hello));
        let ends_here = chain.is_some_and(|chain| chain.ends.is_some());
        !ends_here && self.route_of(destination, hello).is_some()
    }

    /// The chain that clients could use which prove who they are.
    pub fn mutual_chain(&self) -> Option<&TlsChain> {
        self.tls.as_ref()?.first_end()
    }

    /// Whether it has HTTP in plaintext, and whether it has HTTP within TLS.
    fn has_http(&self) -> [bool; 2] {
        let in_tls = self.tls.as_ref().is_some_and(TlsChains::have_http);
        [self.http.is_some(), in_tls]
    }
}

/// The listeners of a direction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    /// `IP_PORT`.
    pub exact: HashMap<SocketAddr, Arc<Listener>>,
    /// `0.0.0.0_PORT`; for traffic that comes in, the chains of a destination port.
    pub ports: HashMap<u16, Arc<Listener>>,
    /// For all other connections.
    pub default: Option<Arc<Listener>>,
    /// There may be others that the control plane has not told yet.
    pub is_partial: bool,
}

impl Addresses {
    /// The same listener for every address.
    pub fn all(listener: Arc<Listener>) -> Self {
        Self {
            default: Some(listener),
            ..Self::default()
        }
    }

    /// The listener for connections to that address: an address beats a port.
    pub fn find(&self, destination: SocketAddr) -> Lookup<&Arc<Listener>> {
        let exact = match self.exact.is_empty() {
            true => None,
            false => self.exact.get(&destination),
        };
        exact.map_or_else(|| self.by_port(destination.port()), Lookup::Found)
    }

    /// The listener for connections to that port of an address that has none of its own.
    fn by_port(&self, port: u16) -> Lookup<&Arc<Listener>> {
        let by_port = match self.ports.is_empty() {
            true => None,
            false => self.ports.get(&port),
        };
        by_port.map_or_else(|| self.by_default(), Lookup::Found)
    }

    fn by_default(&self) -> Lookup<&Arc<Listener>> {
        match &self.default {
            Some(listener) => Lookup::Found(listener),
            None if self.is_partial => Lookup::Waiting,
            None => Lookup::Missing,
        }
    }

    /// Whether a connection that these have for HTTP is lost by those. It is enough to look at
    /// what either has a place of its own for: all others have the default one in both.
    fn loses_http_in(&self, newer: &Self) -> bool {
        let exact = self.exact.keys().chain(newer.exact.keys());
        let mut exact = exact.map(|address| (self.find(*address), newer.find(*address)));
        let ports = self.ports.keys().chain(newer.ports.keys());
        let mut ports = ports.map(|port| (self.by_port(*port), newer.by_port(*port)));
        let default = (self.by_default(), newer.by_default());
        loses_http(default) || ports.any(loses_http) || exact.any(loses_http)
    }
}

/// Whether a connection has had a listener of HTTP, and has none now, nor may there be one soon.
fn loses_http((before, now): (Lookup<&Arc<Listener>>, Lookup<&Arc<Listener>>)) -> bool {
    let had = match before {
        Lookup::Found(listener) => listener.has_http(),
        Lookup::Waiting | Lookup::Missing => [false; 2],
    };
    let has = match now {
        Lookup::Found(listener) => listener.has_http(),
        Lookup::Waiting => [true; 2],
        Lookup::Missing => [false; 2],
    };
    had.iter().zip(has).any(|(had, has)| *had && !has)
}

/// All listeners.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listeners {
    pub outbound: Addresses,
    pub inbound: Addresses,
    /// Those that clients connect to by themselves, by port: a gateway's.
    pub bound: BTreeMap<u16, Arc<Listener>>,
}

impl Listeners {
    /// The listener for a captured connection.
    pub fn find(&self, direction: Direction, destination: SocketAddr) -> Lookup<&Arc<Listener>> {
        match direction {
            Direction::Outbound => self.outbound.find(destination),
            Direction::Inbound => self.inbound.find(destination),
        }
    }

    /// Whether there may be connections of HTTP that these carry, and that those which take their
    /// place don't. It looks at all of them: workers have no time for that.
    pub fn are_missed_in(&self, newer: &Self) -> bool {
        let bound = self.bound.iter();
        let mut bound = bound.map(|(port, listener)| {
            let now = Lookup::from(newer.bound.get(port));
            (Lookup::Found(listener), now)
        });
        bound.any(loses_http)
            || self.outbound.loses_http_in(&newer.outbound)
            || self.inbound.loses_http_in(&newer.inbound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(name: &str) -> Arc<Listener> {
        Arc::new(Listener {
            name: Arc::from(name),
            detection: Detection::Tcp,
            http: None,
            tcp: TcpRoutes::default(),
            tls: None,
        })
    }

    #[test]
    fn an_address_beats_a_port_and_a_port_the_default() {
        let address = SocketAddr::from(([10, 96, 0, 10], 53));
        let addresses = Addresses {
            exact: HashMap::from([(address, listener("10.96.0.10_53"))]),
            ports: HashMap::from([(53, listener("0.0.0.0_53"))]),
            ..Addresses::all(listener("virtualOutbound"))
        };
        let name = |address: [u8; 4], port| {
            let found = addresses.find(SocketAddr::from((address, port)));
            found.found().unwrap().name.to_string()
        };
        assert_eq!(name([10, 96, 0, 10], 53), "10.96.0.10_53");
        assert_eq!(name([10, 96, 0, 11], 53), "0.0.0.0_53");
        assert_eq!(name([10, 96, 0, 10], 80), "virtualOutbound");
    }

    fn http(name: &str) -> Arc<Listener> {
        Arc::new(Listener {
            name: Arc::from(name),
            detection: Detection::Http,
            http: Some(HttpListener::new(Arc::default())),
            tcp: TcpRoutes::default(),
            tls: None,
        })
    }

    type Change = fn(&mut Listeners);

    #[test]
    fn listeners_are_missed_where_a_connection_of_http_has_none_any_more() {
        let address = SocketAddr::from(([10, 96, 0, 10], 80));
        let full = || Listeners {
            outbound: Addresses {
                exact: HashMap::from([(address, http("10.96.0.10_80"))]),
                ports: HashMap::from([(81, http("0.0.0.0_81")), (82, listener("0.0.0.0_82"))]),
                ..Addresses::all(listener("virtualOutbound"))
            },
            inbound: Addresses::all(http("virtualInbound")),
            bound: BTreeMap::from([(83, http("0.0.0.0_83"))]),
        };
        let is_missed = |changes: &[Change]| {
            let mut newer = full();
            changes.iter().for_each(|change| change(&mut newer));
            full().are_missed_in(&newer)
        };
        let missed: [Change; 6] = [
            |newer| newer.outbound.exact.clear(),
            |newer| newer.outbound.ports.clear(),
            |newer| newer.inbound.default = None,
            |newer| newer.bound.clear(),
            // They are there, and carry bytes only.
            |newer| drop(newer.outbound.ports.insert(81, listener("0.0.0.0_81"))),
            |newer| drop(newer.inbound.ports.insert(80, listener("0.0.0.0_80"))),
        ];
        for (index, change) in missed.into_iter().enumerate() {
            assert!(is_missed(&[change]), "{index}");
        }
        let others: [&[Change]; 5] = [
            &[],
            &[|newer| drop(newer.outbound.ports.remove(&82))],
            &[|newer| drop(newer.outbound.ports.insert(84, http("0.0.0.0_84")))],
            // Another listener has the connections now.
            &[
                |newer| newer.outbound.exact.clear(),
                |newer| drop(newer.outbound.ports.insert(80, http("0.0.0.0_80"))),
            ],
            // They wait for it.
            &[|newer| {
                newer.inbound.default = None;
                newer.inbound.is_partial = true;
            }],
        ];
        for (index, changes) in others.into_iter().enumerate() {
            assert!(!is_missed(changes), "{index}");
        }
    }

    #[test]
    fn what_has_not_been_told_is_waited_for() {
        let any = SocketAddr::from(([10, 0, 0, 1], 80));
        let mut addresses = Addresses::default();
        assert!(matches!(addresses.find(any), Lookup::Missing));
        addresses.is_partial = true;
        assert!(matches!(addresses.find(any), Lookup::Waiting));
    }
}
