//! The filter chains of a listener, put together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    connection_manager::{Requests, Routes},
    fault::Fault,
    filter_chain_match::{Chain, TlsAction, TlsMatch},
};
use crate::tables::{
    ClientCert, Detection, DownstreamTls, ServerName, TcpRoute, TcpRoutes, Tracing,
};

/// What is done with some connections of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub detection: Detection,
    pub routes: Option<Routes>,
    /// Of the requests that are routed.
    pub tracing: Option<Arc<Tracing>>,
    /// What these say of their client's certificate.
    pub client_cert: ClientCert,
    pub tcp: TcpRoutes,
    /// Of TLS, where it is told from everything else.
    pub tls: Vec<TlsPart>,
    /// Whether connections of TLS that none of these is for by its name are treated as all others.
    pub leaves_other_tls: bool,
}

/// What is done with some connections of TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsPart {
    pub server_names: Vec<ServerName>,
    pub protocols: Vec<Box<str>>,
    /// How the handshake is done, if it is done here.
    pub ends: Option<Arc<DownstreamTls>>,
    pub routes: Option<Routes>,
    pub tracing: Option<Arc<Tracing>>,
    pub client_cert: ClientCert,
    pub tcp: TcpRoutes,
    /// The object that has it so, where the configuration says.
    pub policy: Option<Arc<str>>,
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
    tls: Vec<TlsMatch>,
    /// Whether some routes of TCP are for plaintext alone, and whether some are for TLS, too.
    has_plaintext: bool,
    has_any: bool,
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
            Chain::Tcp {
                route,
                is_plaintext,
            } => {
                if route.server_names.is_empty() {
                    group.has_plaintext |= is_plaintext;
                    group.has_any |= !is_plaintext;
                }
                group.tcp.push(route);
            }
            Chain::Tls(chain) => group.tls.push(chain),
        }
        group.check()
    }

    /// The chain for connections that no other is for.
    pub fn set_default(&mut self, chain: Chain) -> Result<(), Fault> {
        match chain {
            Chain::Tcp { route, .. } => {
                self.default = Some(route);
                Ok(())
            }
            // Without other chains, it has all connections.
            Chain::Http { .. } | Chain::Tls(_) if self.groups.is_empty() => self.add(None, chain),
            Chain::Http { .. } | Chain::Tls(_) => Err(Fault::new(
                "filters",
                "must be a TCP proxy in plaintext where there are other chains",
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
        if self.has_plaintext && self.has_any {
            let reason = "must be raw_buffer in all chains of TCP of this port, or in none of them";
            return Err(Fault::new("filter_chain_match.transport_protocol", reason));
        }
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

    fn finish(mut self, default: Option<TcpRoute>, timeout: Duration) -> Part {
        let tls = self.take_tls();
        let Self { http, tcp, .. } = self;
        let names = tcp.iter().any(|route| !route.server_names.is_empty());
        let detection = match &http {
            // With names to choose by, what isn't TLS has to be HTTP.
            Some(http) if http.is_sniffed || names => Detection::Sniff(timeout),
            Some(_) => Detection::Http,
            None if names => Detection::Sniff(timeout),
            None if !tls.is_empty() => Detection::Tls(timeout),
            None => Detection::Tcp,
        };
        let (routes, tracing, client_cert) = parted(http.map(|http| http.requests));
        Part {
            detection,
            routes,
            tracing,
            client_cert,
            tcp: TcpRoutes {
                routes: tcp,
                default,
            },
            tls,
            leaves_other_tls: self.has_any,
        }
    }

    /// The chains for TLS. Where there are some, those that are told by their names are among them.
    fn take_tls(&mut self) -> Vec<TlsPart> {
        if self.tls.is_empty() {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.tcp);
        let (named, others) = all
            .into_iter()
            .partition(|route| !route.server_names.is_empty());
        self.tcp = others;
        let told = std::mem::take(&mut self.tls).into_iter().map(TlsPart::from);
        told.chain(Vec::into_iter(named).map(TlsPart::passing))
            .collect()
    }
}

impl TlsPart {
    /// Passes on what is told by its name.
    fn passing(route: TcpRoute) -> Self {
        Self {
            server_names: route.server_names.clone(),
            protocols: Vec::new(),
            ends: None,
            routes: None,
            tracing: None,
            client_cert: ClientCert::default(),
            tcp: TcpRoutes {
                routes: vec![route],
                default: None,
            },
            policy: None,
        }
    }
}

impl From<TlsMatch> for TlsPart {
    fn from(chain: TlsMatch) -> Self {
        let TlsMatch {
            server_names,
            protocols,
            ends,
            action,
            policy,
        } = chain;
        let (requests, route) = match action {
            TlsAction::Http(requests) => (Some(requests), None),
            TlsAction::Tcp(action) => (None, Some(TcpRoute::of_all(action))),
        };
        let (routes, tracing, client_cert) = parted(requests);
        Self {
            server_names,
            protocols,
            ends,
            routes,
            tracing,
            client_cert,
            tcp: TcpRoutes {
                routes: route.into_iter().collect(),
                default: None,
            },
            policy,
        }
    }
}

fn parted(requests: Option<Requests>) -> (Option<Routes>, Option<Arc<Tracing>>, ClientCert) {
    match requests {
        Some(Requests {
            routes,
            tracing,
            client_cert,
        }) => (Some(routes), tracing, client_cert),
        None => (None, None, ClientCert::default()),
    }
}
