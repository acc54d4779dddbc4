//! How much the tables of a view may have. Each VirtualService, DestinationRule and ServiceEntry is
//! bounded by itself; here is bounded what they come to with those of others. What is too much is
//! left out, and whatever its owner sends there is refused. Of rules, those of the namespace that has
//! most are left out, its youngest first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    fair::{Wish, unmet},
    first::First,
};
use crate::model::{
    finding::{Finding, Kind, ObjectRef, Problem},
    hosts::{covers, is_wildcard},
    objects::Key,
    routes::{Action, DirectResponse, HeaderOperations, Route, RouteMatch, RuleRef},
    rules::{VirtualService, Weights},
    world::Destination,
};

/// About the bytes of one route table with its hosts, which is withheld from proxies if it has more
/// than 16 MiB.
const TABLE_BYTES: usize = 14 << 20;
/// The bytes that are left for rules, however many hosts there are.
const TABLE_RULES: usize = TABLE_BYTES / 8;
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

/// About the bytes of a destination's virtual host with the route to it, but for its name, which is
/// in it some times.
const DESTINATION: usize = 256;
const DESTINATION_NAMES: usize = 4;
/// About the bytes of a host that a rule names, but for its name.
const HOST: usize = 64;
const HOST_NAMES: usize = 2;

/// About the bytes of the route that refuses requests.
pub(super) const REFUSAL: usize = 256;

/// At how many ports a VirtualService is left out before it is at all of them.
const PORTS: usize = 256;

/// The answer of routes that are left out.
const UNAVAILABLE: u16 = 503;
/// The port at which the hosts of all VirtualServices are.
const HTTP_PORT: u16 = 80;

/// What sidecars of a namespace see.
pub(super) struct Rules<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The destinations.
    pub destinations: &'a [Arc<Destination>],
    /// The VirtualServices that they apply.
    pub virtual_services: Vec<&'a Arc<VirtualService>>,
}

/// Which rules sidecars of a view do without.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// The VirtualServices, and in the tables of which ports they are not.
    http: BTreeMap<Key, Lost>,
    /// The VirtualServices whose rules for TCP are not there.
    tcp: BTreeSet<Key>,
    /// What their owners are told.
    pub findings: Vec<Finding>,
}

/// In which tables a VirtualService is not.
#[derive(Debug)]
struct Lost {
    ports: Ports,
    /// Whether some of its hosts are destinations in such a table.
    is_called: bool,
}

/// What a table has no room for, by index.
#[derive(Default)]
struct Unmet {
    /// VirtualServices some of whose hosts are destinations there.
    called: BTreeSet<usize>,
    /// Others.
    others: BTreeSet<usize>,
}

/// Ports.
#[derive(Debug)]
enum Ports {
    All,
    /// In order.
    These(Vec<u16>),
}

/// What is at a port of sidecars.
#[derive(Default)]
struct AtPort<'a> {
    /// The hosts that are reached by HTTP.
    hosts: BTreeSet<&'a str>,
    /// Those of them that have tables of their own, too.
    own: BTreeSet<&'a str>,
}

/// A VirtualService in the tables of a view.
struct Weighed<'a> {
    rules: &'a VirtualService,
    weights: Weights,
    /// About the bytes of its hosts in a table.
    hosts: usize,
    /// What it comes to in all tables.
    all: usize,
}

impl Ports {
    fn contains(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::These(ports) => ports.binary_search(&port).is_ok(),
        }
    }

    /// Adds a port that is greater than those before.
    fn push(&mut self, port: u16) {
        match self {
            Self::These(ports) if ports.len() < PORTS => ports.push(port),
            Self::These(_) | Self::All => *self = Self::All,
        }
    }

    /// For a sentence: `port 80`.
    fn text(&self) -> String {
        let ports = match self {
            Self::All => return "all ports".to_owned(),
            Self::These(ports) => ports,
        };
        let mut first = First::default();
        ports.iter().for_each(|port| first.add(port));
        match ports.len() {
            1 => format!("port {first}"),
            _ => format!("the ports {first}"),
        }
    }
}

impl LeftOut {
    /// Adds up the rules of a view.
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
        let ports = self.http.get(rules);
        ports.is_some_and(|lost| lost.ports.contains(port))
    }

    /// Whether a VirtualService's rules for TCP are not there.
    pub fn has_tcp(&self, rules: &Key) -> bool {
        self.tcp.contains(rules)
    }

    fn add_http(&mut self, view: &Rules<'_>, rules: &[&Arc<VirtualService>]) {
        let with_http = rules.iter().filter(|rules| !rules.http.is_empty());
        let mut weighed: Vec<_> = with_http
            .map(|rules| Weighed {
                rules,
                weights: Weights::new(&rules.http, |statics| statics.may_hold_in(view.namespace)),
                hosts: rules.hosts.iter().map(|host| of_host(host)).sum(),
                all: 0,
            })
            .collect();
        for (port, at_port) in &by_port(view.destinations) {
            let Unmet { called, others } = at_port.unmet(*port, &mut weighed);
            let called = called.into_iter().map(|index| (index, true));
            let others = others.into_iter().map(|index| (index, false));
            for (index, is_called) in called.chain(others) {
                if let Some(rules) = weighed.get(index) {
                    self.lost(&rules.rules.meta.key, *port, is_called);
                }
            }
        }
        let wishes = weighed.iter().enumerate().map(|(index, one)| Wish {
            index,
            namespace: &one.rules.meta.key.namespace,
            bytes: one.all,
        });
        let unmet = unmet(wishes, VIEW_BYTES);
        for rules in unmet.iter().filter_map(|index| weighed.get(*index)) {
            let lost = Lost {
                ports: Ports::All,
                is_called: true,
            };
            self.http.insert(rules.rules.meta.key.clone(), lost);
        }
        for (key, lost) in &self.http {
            let why = if lost.is_called {
                excess("sidecar", &key.namespace)
            } else {
                uncalled_excess(&key.namespace)
            };
            let message = format!(
                "sidecars ignore this VirtualService's HTTP routes at {}, and answer requests for its \
                 hosts there with 503: {why}. Use fewer routes and hosts there, or export them to fewer \
                 namespaces",
                lost.ports.text(),
            );
            self.findings
                .push(finding(Kind::VirtualService, key, message));
        }
    }

    /// Adds a port that is greater than those before.
    fn lost(&mut self, rules: &Key, port: u16, is_called: bool) {
        let lost = self.http.entry(rules.clone()).or_insert(Lost {
            ports: Ports::These(Vec::new()),
            is_called: false,
        });
        lost.ports.push(port);
        lost.is_called |= is_called;
    }

    fn add_tcp(&mut self, view: &Rules<'_>, rules: &[&Arc<VirtualService>]) {
        let with_tcp = rules.iter().enumerate();
        let with_tcp = with_tcp.filter(|(_, rules)| !rules.tcp.is_empty());
        let wishes = with_tcp.map(|(index, rules)| Wish {
            index,
            namespace: &rules.meta.key.namespace,
            bytes: tcp_bytes(view, rules),
        });
        for index in unmet(wishes, TCP_BYTES) {
            let Some(rules) = rules.get(index) else {
                continue;
            };
            let key = &rules.meta.key;
            self.tcp.insert(key.clone());
            let message = format!(
                "sidecars ignore this VirtualService's TCP rules and close connections to its hosts: \
                 all listeners of a sidecar take {} MiB of TCP rules; there is more, and the largest \
                 part of it is from the namespace {}. Use fewer routes, subnets and hosts there, or \
                 export them to fewer namespaces",
                TCP_BYTES >> 20,
                key.namespace
            );
            self.findings
                .push(finding(Kind::VirtualService, key, message));
        }
    }
}

/// About the bytes of a VirtualService's rules for TCP in all listeners.
fn tcp_bytes(view: &Rules<'_>, rules: &VirtualService) -> usize {
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
    rules.tcp_weight.bytes.saturating_mul(listeners)
}

/// What is at each port where HTTP is read.
fn by_port(destinations: &[Arc<Destination>]) -> BTreeMap<u16, AtPort<'_>> {
    let mut ports: BTreeMap<u16, AtPort<'_>> = BTreeMap::new();
    for to in destinations {
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
    ports
}

impl AtPort<'_> {
    /// The indexes of the VirtualServices that the table of this port has no room for. Those come
    /// first whose hosts are no destinations there: nobody may call them at all. What the others take
    /// is added to what they take in all tables.
    fn unmet(&self, port: u16, weighed: &mut [Weighed<'_>]) -> Unmet {
        let destinations = self.hosts.iter();
        let of_hosts: usize = destinations
            .map(|host| DESTINATION + DESTINATION_NAMES * host.len())
            .sum();
        let most = for_rules(of_hosts);
        let (mut called, mut others) = (Vec::new(), Vec::new());
        for (index, one) in weighed.iter().enumerate() {
            let hosts = &one.rules.hosts;
            let is_called = hosts.iter().any(|host| count(&self.hosts, host) > 0);
            let weight = one.weights.at(port);
            if (!is_called && port != HTTP_PORT) || weight.routes == 0 {
                continue;
            }
            let wishes = if is_called { &mut called } else { &mut others };
            wishes.push(Wish {
                index,
                namespace: &one.rules.meta.key.namespace,
                bytes: weight.bytes.saturating_add(one.hosts),
            });
        }
        let mut left_out = Unmet {
            called: unmet(called.iter().copied(), most),
            others: BTreeSet::new(),
        };
        called.retain(|wish| !left_out.called.contains(&wish.index));
        let of_called = called.iter().map(|wish| wish.bytes);
        let of_called = of_called.fold(0, usize::saturating_add);
        left_out.others = unmet(others.iter().copied(), most.saturating_sub(of_called));
        others.retain(|wish| !left_out.others.contains(&wish.index));
        let met = called.iter().chain(&others);
        let met: Vec<_> = met.map(|wish| (wish.index, wish.bytes)).collect();
        for (index, bytes) in met {
            if let Some(one) = weighed.get_mut(index) {
                let hosts = one.rules.hosts.iter();
                let own = hosts.map(|host| count(&self.own, host)).sum::<usize>();
                let tables = 1 + own.min(self.own.len());
                one.all = one.all.saturating_add(bytes.saturating_mul(tables));
            }
        }
        left_out
    }
}

/// The bytes of a table that its rules may take, next to its hosts.
pub(super) fn for_rules(hosts: usize) -> usize {
    TABLE_BYTES.saturating_sub(hosts).max(TABLE_RULES)
}

/// About the bytes of a host that a rule names, in a table.
pub(super) fn of_host(host: &str) -> usize {
    HOST + HOST_NAMES * host.len()
}

/// The part of a message that says why routes of a namespace are left out of the tables of a sidecar or
/// a gateway.
pub(super) fn excess(proxy: &str, namespace: &str) -> String {
    format!(
        "a route table takes {} MiB with its hosts, and all tables of a {proxy} {} MiB; there is more, \
         and the largest part of it is from the namespace {namespace}",
        TABLE_BYTES >> 20,
        VIEW_BYTES >> 20
    )
}

/// The same for routes of sidecars whose hosts are not destinations.
fn uncalled_excess(namespace: &str) -> String {
    format!(
        "no Service or ServiceEntry there has its hosts, and a route table takes {} MiB; rules for hosts \
         of Services and ServiceEntries come first, and of the rest most is from the namespace {namespace}",
        TABLE_BYTES >> 20,
    )
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

/// The route of a VirtualService that is left out: it keeps its hosts, so that requests which no other
/// one routes don't go where its rules would not let them.
pub(super) fn refusal(rules: &Key) -> Route {
    let body = format!("the routes of the VirtualService {rules} are left out: see its status\n");
    Route {
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
    }
}
