//! The route tables of sidecars.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    domains::Taken,
    owners::{Claim, Claims},
    shared::Shared,
    view::View,
};
use crate::model::{
    names::ClusterKey,
    objects::{Labels, OutboundPolicy},
    routes::{Fallback, RouteTable, Routes, VirtualHost},
    tables::{Listener, ListenerProtocol, RouteTables},
    world::Destination,
};

/// The tables that listeners name, for clients with these labels.
pub(super) fn of_listeners(
    view: &View,
    labels: &Labels,
    listeners: &[Arc<Listener>],
    shared: &mut Shared,
) -> RouteTables {
    let mut ports = RouteTables::new();
    let mut sniffed = RouteTables::new();
    let mut cited = BTreeSet::new();
    for listener in listeners {
        let name = match &listener.protocol {
            ListenerProtocol::Http { routes } | ListenerProtocol::Sniffed { routes, .. } => routes,
            ListenerProtocol::Tcp(_) => continue,
        };
        cited.insert(Arc::clone(name));
        let of_port: Arc<str> = listener.port.to_string().into();
        let table = ports.entry(Arc::clone(&of_port)).or_insert_with(|| {
            let table = at_port(view, labels, listener.port, shared);
            shared.tables.intern(&of_port, table)
        });
        if *name != of_port && !sniffed.contains_key(name) {
            let table = of_one(table, name, shared);
            sniffed.insert(Arc::clone(name), shared.tables.intern(name, table));
        }
    }
    // Some only served to make those of single destinations.
    ports.retain(|name, _| cited.contains(name));
    ports.append(&mut sniffed);
    ports
}

/// The table of a single destination, `HOST:PORT`: whatever host a client names.
fn of_one(table: &RouteTable, name: &Arc<str>, shared: &mut Shared) -> RouteTable {
    let found = table.hosts.binary_search_by(|host| host.name.cmp(name));
    let host = found.ok().and_then(|index| table.hosts.get(index));
    let host = host.map(|host| VirtualHost {
        domains: vec!["*".into()],
        ..VirtualHost::clone(host)
    });
    RouteTable {
        name: Arc::clone(name),
        hosts: host
            .map(|host| shared.hosts.intern(name, host))
            .into_iter()
            .collect(),
        fallback: Fallback::NotFound,
    }
}

/// The table of a port.
fn at_port(view: &View, labels: &Labels, port: u16, shared: &mut Shared) -> RouteTable {
    let claims = Claims::at_port(view, labels, port);
    let mut maker = Maker {
        view,
        port,
        taken: Taken::new(destinations_of(&claims)),
        hosts: Vec::new(),
        shared,
    };
    for claim in claims.claims {
        maker.claim(claim);
    }
    for to in claims.unclaimed {
        let cluster = ClusterKey::new(&to.host, port).name();
        let routes = Routes::to_cluster(Arc::clone(&cluster));
        let routes = maker.shared.routes.intern(&cluster, routes);
        maker.destination(to, &routes);
    }
    let mut hosts = maker.hosts;
    hosts.sort_by(|one, other| one.name.cmp(&other.name));
    let everything = maker.taken.contains("*");
    RouteTable {
        name: port.to_string().into(),
        hosts,
        fallback: match view.mesh.outbound {
            _ if everything => Fallback::NotFound,
            OutboundPolicy::AllowAny => Fallback::AllowAny,
            OutboundPolicy::RegistryOnly => Fallback::BlockAll,
        },
    }
}

fn destinations_of<'a>(claims: &Claims<'a>) -> impl Iterator<Item = &'a Arc<Destination>> {
    let claimed = claims.claims.iter().flat_map(|claim| &claim.destinations);
    claimed.chain(&claims.unclaimed).copied()
}

struct Maker<'a> {
    view: &'a View,
    port: u16,
    taken: Taken,
    hosts: Vec<Arc<VirtualHost>>,
    shared: &'a mut Shared,
}

impl Maker<'_> {
    fn claim(&mut self, claim: Claim<'_>) {
        let name: Arc<str> = claim.rules.meta.key.to_string().into();
        let routes = self.shared.routes.intern(&name, claim.routes);
        for host in &claim.hosts {
            if let Some(domains) = self.taken.take_host(host) {
                self.push(host, domains, &routes);
            }
        }
        for to in claim.destinations {
            self.destination(to, &routes);
        }
    }

    fn destination(&mut self, to: &Destination, routes: &Arc<Routes>) {
        let domains = self.taken.take_destination(self.view, to);
        if !domains.is_empty() {
            self.push(&to.host, domains, routes);
        }
    }

    fn push(&mut self, host: &str, domains: Vec<Arc<str>>, routes: &Arc<Routes>) {
        let name: Arc<str> = format!("{host}:{}", self.port).into();
        let host = VirtualHost {
            name: Arc::clone(&name),
            domains,
            routes: Arc::clone(routes),
            https_redirect: false,
        };
        self.hosts.push(self.shared.hosts.intern(&name, host));
    }
}
