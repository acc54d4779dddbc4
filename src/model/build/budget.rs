//! How much the tables of a view may have. Each VirtualService, DestinationRule and ServiceEntry is
//! bounded by itself; here is bounded what they come to with those of others. What is too much is
//! left out, that of the youngest objects first, and whatever its owner sends there is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{
    finding::{Finding, Kind, ObjectRef, Problem},
    hosts::{covers, is_wildcard},
    objects::Key,
    routes::{Action, DirectResponse, HeaderOperations, Route, RouteMatch, Routes, RuleRef},
    rules::VirtualService,
    world::Destination,
};

/// About the bytes of the rules in one route table, which is withheld from proxies if it has more
/// than 16 MiB with all hosts.
pub(super) const TABLE_BYTES: usize = 8 << 20;
/// About the bytes of the rules in all route tables of a view, or of a gateway.
pub(super) const VIEW_BYTES: usize = 64 << 20;
/// About the bytes of the rules for TCP in all listeners of a view.
const TCP_BYTES: usize = 8 << 20;
/// The routes of a virtual host, of which a proxy takes no more.
pub(super) const HOST_ROUTES: usize = 16_384;
/// The clusters of a view.
pub(super) const CLUSTERS: usize = 131_072;
/// The clusters of subsets of one DestinationRule, for all its hosts and their ports.
pub(super) const SUBSET_CLUSTERS: usize = 16_384;
/// The listeners of a view. A proxy takes 65,536 with its own.
pub(super) const LISTENERS: usize = 32_768;
/// The routes for TCP of one listener, each of which is a filter chain. A proxy takes 4,096.
pub(super) const CHAINS: usize = 4_000;

/// The answer of routes that are left out.
const UNAVAILABLE: u16 = 503;
/// The port at which the hosts of all VirtualServices are.
const HTTP_PORT: u16 = 80;

/// What sidecars of a namespace see.
pub(super) struct Rules<'a> {
    /// The destinations.
    pub destinations: &'a [Arc<Destination>],
    /// The VirtualServices that they apply.
    pub virtual_services: Vec<&'a Arc<VirtualService>>,
}

/// Which rules sidecars of a view do without.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// The VirtualServices, by the ports in whose tables they are not.
    http: BTreeMap<u16, BTreeSet<Key>>,
    /// The VirtualServices whose rules for TCP are not there.
    tcp: BTreeSet<Key>,
    /// What their owners are told.
    pub findings: Vec<Finding>,
}

/// What is at a port of sidecars.
#[derive(Default)]
struct AtPort<'a> {
    /// The hosts that are reached by HTTP.
    hosts: BTreeSet<&'a str>,
    /// Those of them that have tables of their own, too.
    own: BTreeSet<&'a str>,
    /// About the bytes of the rules in the table.
    bytes: usize,
}

impl LeftOut {
    /// Adds up the rules of a view, the oldest first.
    pub fn new(view: &Rules<'_>) -> Self {
        let mut left_out = Self::default();
        let mut rules = view.virtual_services.clone();
        rules.sort_by(|one, other| one.meta.order(&other.meta));
        left_out.add_http(view, &rules);
        left_out.add_tcp(view, &rules);
        left_out
    }

    /// Whether a VirtualService is not in the table of a port.
    pub fn has_http(&self, port: u16, rules: &Key) -> bool {
        let at_port = self.http.get(&port);
        at_port.is_some_and(|left_out| left_out.contains(rules))
    }

    /// Whether a VirtualService's rules for TCP are not there.
    pub fn has_tcp(&self, rules: &Key) -> bool {
        self.tcp.contains(rules)
    }

    fn add_http(&mut self, view: &Rules<'_>, rules: &[&Arc<VirtualService>]) {
        let mut ports: BTreeMap<u16, AtPort<'_>> = BTreeMap::new();
        for to in view.destinations {
            for port in &to.ports {
                if port.protocol.is_http() || port.protocol.is_sniffed() {
                    let at_port = ports.entry(port.number).or_default();
                    at_port.hosts.insert(&to.host);
                    if !port.protocol.is_http() {
                        at_port.own.insert(&to.host);
                    }
                }
            }
        }
        let mut all = 0_usize;
        for rules in rules.iter().filter(|rules| !rules.http.is_empty()) {
            let bytes = rules.http_weight.bytes;
            for (port, at_port) in &mut ports {
                let is_called = rules
                    .hosts
                    .iter()
                    .any(|host| count(&at_port.hosts, host) > 0);
                if !is_called && *port != HTTP_PORT {
                    continue;
                }
                let own = rules.hosts.iter().map(|host| count(&at_port.own, host));
                let tables = 1 + own.sum::<usize>().min(at_port.own.len());
                let cost = bytes.saturating_mul(tables);
                let of_table = at_port.bytes.saturating_add(bytes);
                if of_table > TABLE_BYTES || all.saturating_add(cost) > VIEW_BYTES {
                    let left_out = self.http.entry(*port).or_default();
                    left_out.insert(rules.meta.key.clone());
                    let message = format!(
                        "sidecars do without these rules at port {port}, and answer requests for \
                         the hosts with 503: with older VirtualServices, there are more than {} \
                         MiB of routes in a table, or {} MiB in all. Give it fewer routes and \
                         hosts, or export it to fewer namespaces",
                        TABLE_BYTES >> 20,
                        VIEW_BYTES >> 20
                    );
                    self.findings
                        .push(finding(Kind::VirtualService, &rules.meta.key, message));
                } else {
                    at_port.bytes = of_table;
                    all += cost;
                }
            }
        }
    }

    fn add_tcp(&mut self, view: &Rules<'_>, rules: &[&Arc<VirtualService>]) {
        let mut all = 0_usize;
        for rules in rules.iter().filter(|rules| !rules.tcp.is_empty()) {
            let mut listeners = 0_usize;
            for to in view.destinations {
                if rules.hosts.iter().any(|host| covers(host, &to.host)) {
                    let addresses = to.addresses.len().max(to.pods.len()).max(1);
                    let ports = to
                        .ports
                        .iter()
                        .filter(|port| !port.protocol.is_http() && !port.protocol.is_tls());
                    listeners += ports.count() * addresses;
                }
            }
            let cost = rules.tcp_weight.bytes.saturating_mul(listeners);
            if all.saturating_add(cost) > TCP_BYTES {
                self.tcp.insert(rules.meta.key.clone());
                let message = format!(
                    "sidecars do without the rules for TCP, and close connections to their hosts: \
                     with older VirtualServices, there are more than {} MiB of them in all \
                     listeners. Give it fewer routes, subnets and hosts, or export it to fewer \
                     namespaces",
                    TCP_BYTES >> 20
                );
                self.findings
                    .push(finding(Kind::VirtualService, &rules.meta.key, message));
            } else {
                all += cost;
            }
        }
    }
}

/// How many hosts are those that a VirtualService names.
fn count(hosts: &BTreeSet<&str>, named: &str) -> usize {
    if is_wildcard(named) {
        hosts.iter().filter(|host| covers(named, host)).count()
    } else {
        usize::from(hosts.contains(named))
    }
}

/// What the owner of an object is told of what is left out.
pub(super) fn finding(kind: Kind, key: &Key, message: String) -> Finding {
    Finding {
        object: ObjectRef {
            kind,
            key: key.clone(),
        },
        problem: Problem::LeftOut,
        message,
    }
}

/// The routes of a VirtualService that is left out: it keeps its hosts, so that requests don't go
/// where its rules would not let them.
pub(super) fn routes(rules: &Key) -> Routes {
    let body = format!("the routes of the VirtualService {rules} are left out: see its status\n");
    Routes {
        routes: vec![Route {
            name: "left-out".into(),
            rule: Some(RuleRef {
                object: rules.clone(),
                rule: 0,
                block: None,
            }),
            matches: RouteMatch::default(),
            action: Action::Respond(DirectResponse {
                status: UNAVAILABLE,
                body: body.into_bytes().into(),
            }),
            request_headers: HeaderOperations::default(),
            response_headers: HeaderOperations::default(),
        }],
    }
}
