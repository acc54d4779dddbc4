//! The filter chains of a listener, put together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    connection_manager::{Requests, Routes},
    fault::Fault,
    filter_chain::Chain,
};
use crate::tables::{Detection, TcpRoute, TcpRoutes, Tracing};

/// What is done with some connections of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub detection: Detection,
    pub routes: Option<Routes>,
    /// Of the requests that are routed.
    pub tracing: Option<Arc<Tracing>>,
    pub tcp: TcpRoutes,
}

/// Collects the chains of a listener, by destination port.
#[derive(Debug)]
pub(super) struct Parts {
    groups: BTreeMap<Option<u16>, Group>,
    default: Option<TcpRoute>,
    /// How long a client may be silent that might speak HTTP.
    timeout: Duration,
}

#[derive(Debug, Default)]
struct Group {
    http: Option<Http>,
    tcp: Vec<TcpRoute>,
}

#[derive(Debug)]
struct Http {
    requests: Requests,
    is_sniffed: bool,
}

impl Parts {
    /// Without chains.
    pub fn new(timeout: Duration) -> Self {
        Self {
            groups: BTreeMap::new(),
            default: None,
            timeout,
        }
    }

    /// Adds a chain.
    pub fn add(&mut self, port: Option<u16>, chain: Chain) -> Result<(), Fault> {
        let group = self.groups.entry(port).or_default();
        match chain {
            Chain::Http {
                requests,
                is_sniffed,
            } => {
                if group.http.is_some() {
                    let reason = "another chain has the HTTP connections of this port already";
                    return Err(Fault::new("filter_chain_match", reason));
                }
                group.http = Some(Http {
                    requests,
                    is_sniffed,
                });
            }
            Chain::Tcp(route) => group.tcp.push(route),
        }
        group.check()
    }

    /// The chain for connections that no other is for.
    pub fn set_default(&mut self, chain: Chain) -> Result<(), Fault> {
        match chain {
            Chain::Tcp(route) => {
                self.default = Some(route);
                Ok(())
            }
            // Without other chains, it has all connections.
            Chain::Http { .. } if self.groups.is_empty() => self.add(None, chain),
            Chain::Http { .. } => Err(Fault::new(
                "filters",
                "must be a TCP proxy where there are other chains",
            )),
        }
    }

    /// What all chains together do.
    pub fn finish(mut self) -> (BTreeMap<u16, Part>, Part) {
        let rest = self.groups.remove(&None).unwrap_or_default();
        let (default, timeout) = (self.default, self.timeout);
        let rest = rest.finish(default.clone(), timeout);
        let groups = self.groups.into_iter().filter_map(|(port, group)| {
            let part = group.finish(default.clone(), timeout);
            port.map(|port| (port, part))
        });
        (groups.collect(), rest)
    }
}

impl Group {
    /// Envoy looks at the destination first, then at the name in a TLS handshake, and then at
    /// the protocol. So do the tables, but that HTTP with a destination and a name to choose
    /// from is routed as HTTP.
    fn check(&self) -> Result<(), Fault> {
        let Some(http) = &self.http else {
            return Ok(());
        };
        let is_any =
            |route: &TcpRoute| route.server_names.is_empty() && route.destinations.is_empty();
        if !http.is_sniffed && self.tcp.iter().any(is_any) {
            let reason = "must be there for HTTP that stands beside a chain of TCP";
            return Err(Fault::new(
                "filter_chain_match.application_protocols",
                reason,
            ));
        }
        Ok(())
    }

    fn finish(self, default: Option<TcpRoute>, timeout: Duration) -> Part {
        let Self { http, tcp } = self;
        let names = tcp.iter().any(|route| !route.server_names.is_empty());
        let detection = match &http {
            // With names to choose by, what isn't TLS has to be HTTP.
            Some(http) if http.is_sniffed || names => Detection::Sniff(timeout),
            Some(_) => Detection::Http,
            None if names => Detection::Sniff(timeout),
            None => Detection::Tcp,
        };
        let (routes, tracing) = match http.map(|http| http.requests) {
            Some(Requests { routes, tracing }) => (Some(routes), tracing),
            None => (None, None),
        };
        Part {
            detection,
            routes,
            tracing,
            tcp: TcpRoutes {
                routes: tcp,
                default,
            },
        }
    }
}
