//! The tables of gateways.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    first::First, gateway_budget, gateway_hosts::Hosts, http_routes::has_routes, inbound::Targets,
    listeners::all_addresses, shadowed, tcp_routes::clusters_of, view::View,
};
use crate::model::{
    finding::Finding,
    hosts::intersection,
    objects::Labels,
    routes::{Fallback, RouteTable},
    rules::{Gateway, Place, Server, VirtualService},
    tables::{Clusters, GatewayListener, GatewayProtocol, GatewayTables, RouteTables, TcpRoute},
};

/// A gateway's pod, as far as its tables depend on it.
pub(super) struct Site<'a> {
    /// What it sees.
    pub view: &'a View,
    /// Its labels, those at least by which Gateways select.
    pub labels: &'a Labels,
    /// Its ports, by those of its Services.
    pub targets: &'a Targets,
    /// Whether it has only IPv6 addresses.
    pub ipv6_only: bool,
}

/// A server and the Gateway that it is of.
type Served<'a> = (&'a Gateway, &'a Server);

impl Site<'_> {
    /// The tables, of those Gateways that select the pod. The oldest decides what is spoken
    /// at a port.
    pub fn tables(&self, gateways: &[Arc<Gateway>], clusters: Arc<Clusters>) -> GatewayTables {
        let ports = self.servers(gateways);
        let mut hosts = self.hosts(&ports);
        // The owners are told by the replica that searches.
        drop(gateway_budget::bound(&self.name(), &mut hosts));
        let mut tables = GatewayTables {
            listeners: Vec::new(),
            routes: RouteTables::new(),
            clusters,
        };
        for (port, servers) in &ports {
            let protocol = if let Some(hosts) = hosts.remove(port) {
                let table = self.route_table(*port, hosts);
                let routes = Arc::clone(&table.name);
                tables.routes.insert(Arc::clone(&routes), Arc::new(table));
                GatewayProtocol::Http { routes }
            } else {
                let routes = servers.iter().find_map(|served| self.tcp_route(*served));
                GatewayProtocol::Tcp(routes.into_iter().collect())
            };
            let address = all_addresses(self.ipv6_only);
            tables.listeners.push(GatewayListener {
                name: format!("{address}_{port}").into(),
                address,
                port: *port,
                protocol,
            });
        }
        tables
    }

    /// What is left out of the tables or has no effect there. The tables are not made for that.
    pub fn findings(&self, gateways: &[Arc<Gateway>]) -> Vec<Finding> {
        let name = self.name();
        let mut hosts = self.hosts(&self.servers(gateways));
        let mut findings = gateway_budget::bound(&name, &mut hosts);
        // What is left out takes nothing from others.
        findings.extend(shadowed::findings(&name, &hosts));
        findings
    }

    /// What texts call it. A namespace often has several, which Gateways tell apart by labels.
    fn name(&self) -> String {
        let namespace = &self.view.namespace;
        if self.labels.is_empty() {
            return format!("a gateway in {namespace}");
        }
        let labels = First::of_labels(self.labels);
        format!("the gateway with {labels} in {namespace}")
    }

    /// The hosts at each port where HTTP is spoken.
    fn hosts<'b>(&'b self, ports: &BTreeMap<u16, Vec<Served<'b>>>) -> BTreeMap<u16, Hosts<'b>> {
        let http = ports.iter().filter(|(_, servers)| is_http(servers));
        http.map(|(port, servers)| (*port, self.hosts_of(servers)))
            .collect()
    }

    /// The servers at each port of the pod, in the order of their Gateways; only those that speak
    /// what the first does.
    fn servers<'b>(&self, gateways: &'b [Arc<Gateway>]) -> BTreeMap<u16, Vec<Served<'b>>> {
        let mut ports: BTreeMap<u16, Vec<Served<'b>>> = BTreeMap::new();
        let selecting = gateways
            .iter()
            .filter(|gateway| gateway.selector.select(self.labels));
        for gateway in selecting {
            for server in &gateway.servers {
                for port in self.ports_of(server.port) {
                    let servers = ports.entry(port).or_default();
                    if servers.is_empty() || is_http(servers) == server.protocol.is_http() {
                        servers.push((gateway, server));
                    }
                }
            }
        }
        ports
    }

    /// The pod's ports for one of its Services; the same, if no Service has it.
    fn ports_of(&self, port: u16) -> BTreeSet<u16> {
        let targets = self.targets.iter().filter(|(service, _)| *service == port);
        let mut bound: BTreeSet<u16> = targets.map(|(_, target)| *target).collect();
        if bound.is_empty() {
            bound.insert(port);
        }
        bound
    }

    fn route_table(&self, port: u16, hosts: Hosts<'_>) -> RouteTable {
        RouteTable {
            name: format!("http.{port}").into(),
            hosts: hosts.finish(self.view),
            fallback: Fallback::NotFound,
        }
    }

    fn hosts_of<'b>(&'b self, servers: &[Served<'b>]) -> Hosts<'b> {
        let mut hosts = Hosts::default();
        // By Gateway, its server's port and VirtualService: servers often have the same rules.
        let mut parts = BTreeMap::new();
        for (gateway, server) in servers {
            for rules in self.view.for_gateway(&gateway.name) {
                let domains = domains(server, rules);
                if domains.is_empty() {
                    continue;
                }
                let key = (&gateway.name, server.port, &rules.meta.key);
                let part = *parts.entry(key).or_insert_with(|| {
                    let place = self.place(gateway, server);
                    has_routes(rules, place).then(|| hosts.part(rules, place))
                });
                for domain in domains.iter().filter(|_| part.is_some()) {
                    hosts.add(domain, server, part);
                }
            }
            for host in server.hosts.iter().filter(|_| server.https_redirect) {
                hosts.add(&host.host, server, None);
            }
        }
        hosts
    }

    /// The route of the first rule for a server of bytes.
    fn tcp_route(&self, (gateway, server): Served<'_>) -> Option<TcpRoute> {
        let place = self.place(gateway, server);
        for rules in self.view.for_gateway(&gateway.name) {
            if domains(server, rules).is_empty() {
                continue;
            }
            let mut tcp = rules.tcp.iter().filter(|rule| !rule.targets.is_empty());
            let found = tcp.find(|rule| {
                let mut blocks = rule.blocks.iter();
                rule.blocks.is_empty() || blocks.any(|block| block.statics.hold_for_tcp(place))
            });
            if let Some(rule) = found {
                return Some(TcpRoute {
                    destinations: Vec::new(),
                    server_names: Vec::new(),
                    clusters: clusters_of(self.view, rule, server.port),
                    rule: Some(rules.meta.key.clone()),
                    idle_timeout: None,
                });
            }
        }
        None
    }

    fn place<'b>(&'b self, gateway: &'b Gateway, server: &Server) -> Place<'b> {
        Place {
            port: server.port,
            gateway: &gateway.name,
            labels: self.labels,
            namespace: &self.view.namespace,
        }
    }
}

/// Whether HTTP is spoken at a port with these servers.
fn is_http(servers: &[Served<'_>]) -> bool {
    let first = servers.first();
    first.is_some_and(|(_, first)| first.protocol.is_http())
}

/// The hosts that a server and a VirtualService have in common.
fn domains(server: &Server, rules: &VirtualService) -> BTreeSet<Arc<str>> {
    let namespace = &rules.meta.key.namespace;
    let admitting = server.hosts.iter().filter(|host| host.admits(namespace));
    let pairs = admitting.flat_map(|own| rules.hosts.iter().map(move |host| (&own.host, host)));
    pairs
        .filter_map(|(own, host)| intersection(own, host))
        .cloned()
        .collect()
}
