//! Which VirtualService owns which host at a port of sidecars.
//!
//! A host has one owner, whose routes are all that it has: the first VirtualService that
//! names it exactly, or else the first of those whose wildcard covers it most closely. One
//! whose routes are all for other clients owns nothing.

use std::{collections::BTreeMap, sync::Arc};

use super::{http_routes, view::View};
use crate::model::{
    hosts::{covers, is_wildcard},
    names::MESH_GATEWAY,
    objects::Labels,
    routes::Routes,
    rules::{Place, VirtualService},
    world::Destination,
};

/// The port at which hosts that are no destination's are routed, too: an old habit of
/// Istio's, which users rely on.
const HTTP_PORT: u16 = 80;

/// A VirtualService and what it owns at a port.
pub(super) struct Claim<'a> {
    /// The VirtualService.
    pub rules: &'a VirtualService,
    /// Its routes there.
    pub routes: Routes,
    /// Hosts that are no destination's.
    pub hosts: Vec<Arc<str>>,
    /// Destinations.
    pub destinations: Vec<&'a Arc<Destination>>,
}

/// What is at a port.
pub(super) struct Claims<'a> {
    /// What VirtualServices own, in their order.
    pub claims: Vec<Claim<'a>>,
    /// The destinations for which there is no rule.
    pub unclaimed: Vec<&'a Arc<Destination>>,
}

/// The destinations with a port, by host.
struct Known<'a> {
    /// All of them.
    all: BTreeMap<&'a str, &'a Arc<Destination>>,
    port: u16,
}

impl<'a> Claims<'a> {
    /// Finds the owners at a port, for clients with these labels.
    pub fn at_port(view: &'a View, labels: &Labels, port: u16) -> Self {
        let known = Known::at_port(view, port);
        let place = Place {
            port,
            gateway: MESH_GATEWAY,
            labels,
            namespace: &view.namespace,
        };
        let mut claims = Vec::new();
        for rules in view.mesh_rules() {
            let matches = rules.hosts.iter().any(|host| known.has_http_match(host));
            if !matches && port != HTTP_PORT {
                continue;
            }
            let routes = if view.left_out.has_http(port, &rules.meta.key) {
                http_routes::left_out(rules, place)
            } else {
                http_routes::of_rules(view, rules, place)
            };
            if !routes.routes.is_empty() {
                let hosts = rules.hosts.iter().filter(|host| !known.has_match(host));
                claims.push(Claim {
                    rules,
                    routes,
                    hosts: hosts.cloned().collect(),
                    destinations: Vec::new(),
                });
            }
        }
        let unclaimed = share_out(&known, &mut claims);
        Self { claims, unclaimed }
    }
}

/// Gives destinations to their owners, and returns those that have none.
fn share_out<'a>(known: &Known<'a>, claims: &mut [Claim<'a>]) -> Vec<&'a Arc<Destination>> {
    let mut exact: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wild: Vec<(&str, usize)> = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        for host in &claim.rules.hosts {
            if is_wildcard(host) {
                wild.push((host, index));
            } else {
                exact.entry(host).or_insert(index);
            }
        }
    }
    // The longest first; the sort is stable, so the first of equals stays first.
    wild.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
    let mut owners = Vec::new();
    let mut unclaimed = Vec::new();
    for to in known.http() {
        let owner = exact.get(&*to.host).copied().or_else(|| {
            let mut wild = wild.iter();
            let found = wild.find(|(pattern, _)| covers(pattern, &to.host));
            found.map(|&(_, index)| index)
        });
        match owner {
            Some(owner) => owners.push((owner, to)),
            None => unclaimed.push(to),
        }
    }
    for (owner, to) in owners {
        if let Some(claim) = claims.get_mut(owner) {
            claim.destinations.push(to);
        }
    }
    unclaimed
}

impl<'a> Known<'a> {
    fn at_port(view: &'a View, port: u16) -> Self {
        let at_port = view.at_port(port).iter();
        Self {
            all: at_port.map(|to| (&*to.host, to)).collect(),
            port,
        }
    }

    /// The destinations that are reached by HTTP, in the order of their hosts.
    fn http(&self) -> impl Iterator<Item = &'a Arc<Destination>> {
        let all = self.all.values().copied();
        all.filter(|to| self.is_http(to))
    }

    fn is_http(&self, to: &Destination) -> bool {
        let protocol = to.port(self.port).map(|port| port.protocol);
        protocol.is_some_and(|protocol| protocol.is_http() || protocol.is_sniffed())
    }

    fn has_match(&self, host: &str) -> bool {
        if is_wildcard(host) {
            self.all.keys().any(|known| covers(host, known))
        } else {
            self.all.contains_key(host)
        }
    }

    fn has_http_match(&self, host: &str) -> bool {
        if is_wildcard(host) {
            self.http().any(|to| covers(host, &to.host))
        } else {
            self.all.get(host).is_some_and(|to| self.is_http(to))
        }
    }
}
