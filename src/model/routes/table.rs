//! Route tables, virtual hosts and routes.

use std::sync::Arc;

use super::{
    action::{Action, Forward, HeaderOperations, Retries, WeightedCluster},
    matches::RouteMatch,
};
use crate::model::{
    hosts::{covers, is_wildcard},
    objects::Key,
};

/// A route table: the virtual hosts of a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteTable {
    /// Its name: `PORT`, `HOST:PORT` for a port that is sniffed, or `http.PORT`.
    pub name: Arc<str>,
    /// The virtual hosts, in the order of their names. No domain is in two of them.
    pub hosts: Vec<Arc<VirtualHost>>,
    /// What becomes of hosts that none of them covers.
    pub fallback: Fallback,
}

/// What becomes of hosts that a table does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// 404.
    NotFound,
    /// They pass to their original destination: virtual host `allow_any`, cluster
    /// `PassthroughCluster`, no timeout.
    AllowAny,
    /// 502: virtual host `block_all`.
    BlockAll,
}

impl RouteTable {
    /// The virtual host of a request: an exact domain, else the longest wildcard, else
    /// `*`. `host` may have a port, which does not count, and upper case.
    pub fn find(&self, host: &str) -> Option<&Arc<VirtualHost>> {
        let host = without_port(host).to_ascii_lowercase();
        let mut best: Option<(usize, &Arc<VirtualHost>)> = None;
        for virtual_host in &self.hosts {
            for domain in &virtual_host.domains {
                let rank = if **domain == *host {
                    usize::MAX
                } else if is_wildcard(domain) && covers(domain, &host) {
                    domain.len()
                } else {
                    continue;
                };
                if best.is_none_or(|(best, _)| rank > best) {
                    best = Some((rank, virtual_host));
                }
            }
        }
        best.map(|(_, virtual_host)| virtual_host)
    }
}

/// The host of an authority, without its port. IPv6 addresses keep their brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => {
            host
        }
        _ => authority,
    }
}

/// The hosts for which the same routes hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VirtualHost {
    /// Its name: `HOST:PORT`.
    pub name: Arc<str>,
    /// Its domains, in lower case: names, addresses (IPv6 in brackets), wildcards.
    pub domains: Vec<Arc<str>>,
    /// Its routes.
    pub routes: Arc<Routes>,
    /// Whether plain HTTP is told to use HTTPS, by 301, whatever the routes are.
    pub https_redirect: bool,
}

/// Routes in order. The first that matches a request decides; none is 404.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Routes {
    /// The routes.
    pub routes: Vec<Route>,
}

impl Routes {
    /// The one route of a destination for which there is no rule.
    pub fn to_cluster(cluster: Arc<str>) -> Self {
        Self {
            routes: vec![Route {
                name: "default".into(),
                rule: None,
                matches: RouteMatch::default(),
                action: Action::Forward(Forward {
                    clusters: vec![WeightedCluster {
                        cluster,
                        weight: 1,
                        request_headers: HeaderOperations::default(),
                        response_headers: HeaderOperations::default(),
                        host_rewrite: None,
                    }],
                    timeout: None,
                    retries: Some(Retries::default()),
                    host_rewrite: None,
                    path_rewrite: None,
                }),
                request_headers: HeaderOperations::default(),
                response_headers: HeaderOperations::default(),
            }],
        }
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Its name in access logs: the rule's, `.` and the match's, each where there is one;
    /// `default` where there is no rule.
    pub name: Arc<str>,
    /// The rule that it is from.
    pub rule: Option<RuleRef>,
    /// The requests that it is for.
    pub matches: RouteMatch,
    /// What it does.
    pub action: Action,
    /// What is done to the request's headers.
    pub request_headers: HeaderOperations,
    /// What is done to the response's headers.
    pub response_headers: HeaderOperations,
}

/// A rule of a VirtualService: `spec.http[RULE].match[BLOCK]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleRef {
    /// The VirtualService.
    pub object: Key,
    /// The index in `http`.
    pub rule: usize,
    /// The index in `match`, if there is one.
    pub block: Option<usize>,
}
