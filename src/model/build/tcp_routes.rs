//! Where connections go that are not HTTP.

use std::sync::Arc;

use super::{budget::CHAINS, view::View};
use crate::model::{
    hosts::covers,
    names::{BLACK_HOLE_CLUSTER, ClusterKey, MESH_GATEWAY},
    objects::{Key, Labels},
    rules::{Place, Target, TcpRule, VirtualService},
    tables::{Cidr, TcpCluster, TcpRoute},
    world::{Destination, Port},
};

/// A port of a destination, and the addresses at which it is called.
#[derive(Clone, Copy)]
pub(super) struct Called<'a> {
    /// The view.
    pub view: &'a View,
    /// The labels of the clients.
    pub labels: &'a Labels,
    /// The destination.
    pub to: &'a Destination,
    /// The port.
    pub port: &'a Port,
    /// The ranges among which the listener of all addresses has to tell; none, if the
    /// listener has one address, or none is known.
    pub ranges: &'a [Cidr],
    /// Whether the listener has all addresses.
    pub anywhere: bool,
}

/// The routes of a destination's port.
pub(super) struct Routes {
    /// The routes, the first that holds for a connection first.
    pub routes: Vec<TcpRoute>,
    /// The VirtualService whose rules were too many, and which closes connections instead.
    pub exceeding: Option<Key>,
}

impl Called<'_> {
    /// The routes, by the rules of VirtualServices for the destination's host: the first
    /// that names no addresses of its own ends them. Without such a rule, the last one
    /// leads to the destination itself.
    pub fn routes(&self) -> Routes {
        let mut found = Routes {
            routes: Vec::new(),
            exceeding: None,
        };
        if !self.port.protocol.is_tls() && self.by_rules(&mut found) {
            return found;
        }
        let cluster = ClusterKey::new(&self.to.host, self.port.number).name();
        // Without an address, only the server's name tells TLS destinations apart.
        let by_name = self.port.protocol.is_tls() && self.anywhere;
        found.routes.push(TcpRoute {
            destinations: self.ranges.to_vec(),
            server_names: if by_name {
                vec![Arc::clone(&self.to.host)]
            } else {
                Vec::new()
            },
            clusters: vec![TcpCluster { cluster, weight: 1 }],
            rule: None,
            idle_timeout: self.idle_timeout(),
        });
        found
    }

    /// Whether a rule is for all connections, or one is refused.
    fn by_rules(&self, found: &mut Routes) -> bool {
        let place = Place {
            port: self.port.number,
            gateway: MESH_GATEWAY,
            labels: self.labels,
            namespace: &self.view.namespace,
        };
        for rules in &self.view.tcp_rules {
            if !rules.hosts.iter().any(|host| covers(host, &self.to.host)) {
                continue;
            }
            if self.view.left_out.has_tcp(&rules.meta.key) {
                found.routes.push(self.refusal(&rules.meta.key));
                return true;
            }
            let before = found.routes.len();
            let is_for_all = self.by_one(rules, place, &mut found.routes);
            // One more is for the refusal, or for the destination itself.
            if found.routes.len() >= CHAINS {
                found.routes.truncate(before);
                found.routes.push(self.refusal(&rules.meta.key));
                found.exceeding = Some(rules.meta.key.clone());
                return true;
            }
            if is_for_all {
                return true;
            }
        }
        false
    }

    /// Whether a rule of a VirtualService is for all connections.
    fn by_one(&self, rules: &VirtualService, place: Place<'_>, routes: &mut Vec<TcpRoute>) -> bool {
        for rule in rules.tcp.iter().filter(|rule| !rule.targets.is_empty()) {
            let route = |destinations| {
                let clusters = clusters_of(self.view, rule, place.port);
                TcpRoute {
                    destinations,
                    server_names: Vec::new(),
                    clusters,
                    rule: Some(Key::clone(&rules.meta.key)),
                    idle_timeout: self.idle_timeout(),
                }
            };
            match destinations(rule, place) {
                Some(own) if own.is_empty() => {
                    routes.push(route(self.ranges.to_vec()));
                    return true;
                }
                Some(own) => routes.push(route(own)),
                None => {}
            }
        }
        false
    }

    /// Where the rules of a VirtualService are left out, connections are closed: they may not go
    /// where its rules would not let them.
    fn refusal(&self, rules: &Key) -> TcpRoute {
        TcpRoute {
            destinations: self.ranges.to_vec(),
            server_names: Vec::new(),
            clusters: vec![TcpCluster {
                cluster: BLACK_HOLE_CLUSTER.into(),
                weight: 1,
            }],
            rule: Some(rules.clone()),
            idle_timeout: None,
        }
    }

    fn idle_timeout(&self) -> Option<std::time::Duration> {
        self.view.tcp_idle_timeout(&self.to.host, self.port.number)
    }
}

/// The addresses for which a rule is; none, if it is for all; `None`, if it is for none.
fn destinations(rule: &TcpRule, place: Place<'_>) -> Option<Vec<Cidr>> {
    if rule.blocks.is_empty() {
        return Some(Vec::new());
    }
    let blocks = rule.blocks.iter();
    let holding: Vec<_> = blocks
        .filter(|block| block.statics.hold_for_tcp(place))
        .collect();
    if holding.iter().any(|block| block.destinations.is_empty()) {
        return Some(Vec::new());
    }
    let all: Vec<Cidr> = holding
        .iter()
        .flat_map(|block| &block.destinations)
        .copied()
        .collect();
    (!all.is_empty()).then_some(all)
}

/// The clusters of a rule.
pub(super) fn clusters_of(view: &View, rule: &TcpRule, port: u16) -> Vec<TcpCluster> {
    let single = rule.targets.len() == 1;
    let targets = rule.targets.iter();
    targets
        .map(|target: &Target| TcpCluster {
            cluster: view.cluster_of(target, port, true),
            weight: if single {
                target.weight.max(1)
            } else {
                target.weight
            },
        })
        .collect()
}
