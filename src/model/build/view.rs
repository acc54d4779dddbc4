//! What clients of a namespace see.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    budget::{LeftOut, Rules},
    selectors::Selectors,
};
use crate::model::{
    names::{ClusterKey, MESH_GATEWAY},
    objects::{ExportTo, MeshConfig},
    rules::{Merged, Merges, Target, VirtualService, merge, policy},
    world::{Destination, World},
};

/// Destinations and rules, as far as clients of a namespace see them.
#[derive(Debug)]
pub(super) struct View {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The mesh's configuration.
    pub mesh: MeshConfig,
    /// The destinations, one for each host, the oldest first.
    pub destinations: Vec<Arc<Destination>>,
    by_host: BTreeMap<Arc<str>, Arc<Destination>>,
    /// The destinations with a port, in the order of their hosts.
    by_port: BTreeMap<u16, Vec<Arc<Destination>>>,
    /// Other names of destinations: the host of each, and that for which it stands.
    aliases: BTreeMap<Arc<str>, Arc<str>>,
    /// The other names of each destination, in order.
    names: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// The VirtualServices: those private to the namespace, those that are exported to it
    /// by name, and the public ones; in each group the oldest first.
    pub virtual_services: Vec<Arc<VirtualService>>,
    /// Those of them that sidecars apply to connections.
    pub tcp_rules: Vec<Arc<VirtualService>>,
    rules: BTreeMap<Arc<str>, Arc<Merged>>,
    /// What is too much for the tables of sidecars.
    pub left_out: LeftOut,
    /// The sources that rules for sidecars name.
    pub sidecar_sources: Selectors,
    /// The sources that rules for gateways name.
    pub gateway_sources: Selectors,
}

impl View {
    /// The view from a namespace.
    pub fn new(world: &World, namespace: &Arc<str>) -> Self {
        let by_host = by_host(world, namespace);
        let destinations = world.destinations.iter();
        let destinations: Vec<_> = destinations
            .filter(|to| {
                by_host
                    .get(&to.host)
                    .is_some_and(|seen| Arc::ptr_eq(seen, to))
            })
            .cloned()
            .collect();
        let root = &world.mesh.root_namespace;
        let mut merges = Merges::default();
        let rules = destinations.iter().filter_map(|to| {
            let target = (&*to.host, &*to.meta.key.namespace);
            let whose = (&**root, &**namespace);
            let merged = merge(&world.destination_rules, &mut merges, whose, target)?;
            Some((Arc::clone(&to.host), merged))
        });
        let rules = rules.collect();
        let virtual_services = virtual_services(world, namespace);
        let aliases = aliases(world, namespace, &by_host);
        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (alias, target) in &aliases {
            let of_target = names.entry(Arc::clone(target)).or_default();
            of_target.push(Arc::clone(alias));
        }
        let mut view = Self {
            namespace: Arc::clone(namespace),
            left_out: LeftOut::default(),
            mesh: world.mesh.clone(),
            rules,
            aliases,
            names,
            by_port: by_port(&by_host),
            destinations,
            by_host,
            sidecar_sources: sources(&virtual_services, namespace, VirtualService::is_for_mesh),
            gateway_sources: sources(&virtual_services, namespace, |_| true),
            tcp_rules: virtual_services
                .iter()
                .filter(|rules| rules.is_for_mesh() && !rules.tcp.is_empty())
                .cloned()
                .collect(),
            virtual_services,
        };
        view.left_out = LeftOut::new(&Rules {
            namespace: &view.namespace,
            destinations: &view.destinations,
            virtual_services: view.mesh_rules().collect(),
        });
        view
    }

    /// The destination of a host. An alias is the destination that it stands for.
    pub fn destination(&self, host: &str) -> Option<&Arc<Destination>> {
        let host = self.aliases.get(host).map_or(host, |target| &**target);
        self.by_host.get(host)
    }

    /// What DestinationRules say about a host.
    pub fn rule(&self, host: &str) -> Option<&Merged> {
        self.rules.get(host).map(|rule| &**rule)
    }

    /// The other names of a destination.
    pub fn aliases(&self, host: &str) -> impl Iterator<Item = &Arc<str>> {
        self.names.get(host).into_iter().flatten()
    }

    /// The destinations with a port, in the order of their hosts.
    pub fn at_port(&self, port: u16) -> &[Arc<Destination>] {
        self.by_port
            .get(&port)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The VirtualServices that sidecars apply, in order.
    pub fn mesh_rules(&self) -> impl Iterator<Item = &Arc<VirtualService>> {
        self.for_gateway(MESH_GATEWAY)
    }

    /// The VirtualServices that a gateway applies, in order.
    pub fn for_gateway<'a>(
        &'a self,
        gateway: &'a str,
    ) -> impl Iterator<Item = &'a Arc<VirtualService>> {
        let rules = self.virtual_services.iter();
        rules.filter(move |rules| rules.is_for_gateway(gateway))
    }

    /// The cluster that a rule names; there may be none of that name. Where the rule gives
    /// no port, it is that of the listener, or, if `only_port` is set, that of a Service
    /// that has only one.
    pub fn cluster_of(&self, target: &Target, listener: u16, only_port: bool) -> Arc<str> {
        let destination = self.destination(&target.host);
        let only = destination.filter(|to| only_port && to.ports.len() == 1);
        let only = only.and_then(|to| to.ports.first());
        let key = ClusterKey {
            host: Arc::clone(destination.map_or(&target.host, |to| &to.host)),
            port: target
                .port
                .unwrap_or(only.map_or(listener, |port| port.number)),
            subset: Arc::clone(&target.subset),
        };
        key.name()
    }

    /// How long a connection to a destination may carry nothing.
    pub fn tcp_idle_timeout(&self, host: &str, port: u16) -> Option<std::time::Duration> {
        policy(&self.mesh, self.rule(host), None, port)
            .pool
            .tcp_idle_timeout
    }
}

/// Of several destinations of one host, that of the own namespace is seen, else the Service,
/// else the oldest.
fn by_host(world: &World, namespace: &Arc<str>) -> BTreeMap<Arc<str>, Arc<Destination>> {
    let rank = |to: &Destination| (to.meta.key.namespace != *namespace, to.external.is_some());
    let mut seen: BTreeMap<Arc<str>, Arc<Destination>> = BTreeMap::new();
    for to in &world.destinations {
        if !to.export_to.includes(namespace) {
            continue;
        }
        let better = seen.get(&to.host).is_none_or(|old| rank(to) < rank(old));
        if better {
            seen.insert(Arc::clone(&to.host), Arc::clone(to));
        }
    }
    seen
}

type Hosts<T> = BTreeMap<Arc<str>, T>;

/// The hosts that are other names of destinations, each with the destination's host.
fn aliases(
    world: &World,
    namespace: &Arc<str>,
    by_host: &Hosts<Arc<Destination>>,
) -> Hosts<Arc<str>> {
    let aliases = world.aliases.iter();
    let seen = aliases
        .filter(|alias| alias.export_to.includes(namespace) && by_host.contains_key(&alias.target));
    seen.map(|alias| (Arc::clone(&alias.host), Arc::clone(&alias.target)))
        .collect()
}

fn by_port(by_host: &Hosts<Arc<Destination>>) -> BTreeMap<u16, Vec<Arc<Destination>>> {
    let mut by_port: BTreeMap<u16, Vec<Arc<Destination>>> = BTreeMap::new();
    for to in by_host.values() {
        let numbers: BTreeSet<u16> = to.ports.iter().map(|port| port.number).collect();
        for number in numbers {
            by_port.entry(number).or_default().push(Arc::clone(to));
        }
    }
    by_port
}

fn virtual_services(world: &World, namespace: &Arc<str>) -> Vec<Arc<VirtualService>> {
    let group = |rules: &VirtualService| match &rules.export_to {
        ExportTo::All => 2,
        ExportTo::Only(_) if rules.meta.key.namespace == *namespace => 0,
        ExportTo::Only(_) => 1,
    };
    let rules = world.virtual_services.iter();
    let seen = rules.filter(|rules| rules.export_to.includes(namespace));
    let mut seen: Vec<_> = seen.cloned().collect();
    // The sort is stable: the oldest of each group stays first.
    seen.sort_by_key(|rules| group(rules));
    seen
}

/// The labels of sources in `namespace` that these rules name.
fn sources(
    rules: &[Arc<VirtualService>],
    namespace: &str,
    are_asked: impl Fn(&VirtualService) -> bool,
) -> Selectors {
    let rules = rules.iter().filter(|rules| are_asked(rules));
    let statics = rules.flat_map(|rules| {
        let http = rules.http.iter().flat_map(|rule| &rule.blocks);
        let tcp = rules.tcp.iter().flat_map(|rule| &rule.blocks);
        http.map(|block| &block.statics)
            .chain(tcp.map(|block| &block.statics))
    });
    let here =
        statics.filter(|one| one.source_namespace.is_empty() || one.source_namespace == *namespace);
    here.map(|one| &one.source_labels).collect()
}
