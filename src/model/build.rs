//! The answers, made when they are asked for and shared by all clients for which they are
//! the same. A builder is for one state of the rules.

mod asked;
mod budget;
mod clusters;
mod collectors;
mod domains;
mod fair;
mod findings;
mod first;
mod first_pods;
mod gateway;
mod gateway_budget;
mod gateway_hosts;
mod http_routes;
mod inbound;
mod intern;
mod listeners;
mod lookup;
mod owners;
mod plain;
mod route_tables;
mod selectors;
mod shadowed;
mod shared;
mod strict;
mod tcp_routes;
mod tracing;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

pub(super) use self::shared::Shared;
pub use self::strict::StrictHosts;
use self::{inbound::Targets, selectors::Selectors, view::View};
use super::{
    client::Client,
    finding::Finding,
    index::Index,
    objects::{Labels, ProxyKind},
    tables::{Clusters, GatewayTables, Inbound, Outbound},
    tracing::Tracing,
    world::World,
};

/// Destinations and rules, and what was made of them so far.
#[derive(Debug)]
pub(super) struct Builder {
    world: World,
    /// Those of Gateways. The selectors of rules' sources are a view's.
    gateways: Selectors,
    made: Mutex<Made>,
}

/// What was made so far.
#[derive(Debug, Default)]
struct Made {
    views: BTreeMap<Arc<str>, Arc<View>>,
    clusters: BTreeMap<(Arc<str>, ProxyKind), Arc<Clusters>>,
    outbound: BTreeMap<OutboundKey, Arc<Outbound>>,
    gateways: BTreeMap<GatewayKey, Arc<GatewayTables>>,
    /// What was found at those gateways that had pods at the last search.
    at_gateways: BTreeMap<GatewayKey, Vec<Finding>>,
    shared: Shared,
    /// What is left out of what was made for sidecars, and of clusters.
    left_out: BTreeSet<Finding>,
}

/// What the outbound tables depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OutboundKey {
    namespace: Arc<str>,
    labels: Labels,
    ipv6_only: bool,
}

/// What the tables of a gateway depend on.
type GatewayKey = (OutboundKey, Targets);

/// How many different gateways are searched. What others leave out is not told.
const GATEWAYS: usize = 256;

impl Builder {
    /// Reads the index. What is equal to what was made before the rules changed is shared.
    pub fn new(index: &Index, shared: Shared) -> Self {
        let world = World::new(index);
        Self {
            gateways: world.gateways.iter().map(|one| &one.selector).collect(),
            world,
            made: Mutex::new(Made {
                shared,
                ..Made::default()
            }),
        }
    }

    /// What the next builder may share.
    pub fn shared(&self) -> Shared {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shared = std::mem::take(&mut made.shared);
        shared.rules_changed();
        shared
    }

    /// Destinations and rules.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What a sidecar does with its application's connections.
    pub fn outbound(&self, client: &Client) -> Arc<Outbound> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let view = made.view(&self.world, client.namespace());
        let key = key(client, view.sidecar_sources.held_by(&client.labels));
        if let Some(outbound) = made.outbound.get(&key) {
            return Arc::clone(outbound);
        }
        let clusters = made.clusters(&self.world, &view, ProxyKind::Sidecar);
        let (listeners, findings) = listeners::of_view(&view, &key.labels, key.ipv6_only);
        made.left_out.extend(findings);
        let shared = &mut made.shared;
        let listeners = listeners.into_iter();
        let listeners: Vec<_> = listeners
            .map(|listener| {
                let name = Arc::clone(&listener.name);
                shared.listeners.intern(&name, listener)
            })
            .collect();
        let outbound = Outbound {
            routes: route_tables::of_listeners(&view, &key.labels, &listeners, shared),
            listeners,
            clusters,
            policy: self.world.mesh.outbound,
        };
        let outbound = shared.outbound.intern(&key.namespace, outbound);
        made.outbound.insert(key, Arc::clone(&outbound));
        outbound
    }

    /// What a gateway does.
    pub fn gateway(&self, index: &Index, client: &Client) -> Arc<GatewayTables> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let targets = inbound::targets(index, client);
        let (view, key) = self.gateway_key(&mut made, client, targets);
        if let Some(tables) = made.gateways.get(&key) {
            return Arc::clone(tables);
        }
        let clusters = made.clusters(&self.world, &view, ProxyKind::Gateway);
        let tables = site(&view, &key).tables(&self.world.gateways, clusters);
        let tables = made.shared.gateways.intern(&key.0.namespace, tables);
        made.gateways.insert(key, Arc::clone(&tables));
        tables
    }

    /// What a gateway sees, and what its tables depend on.
    fn gateway_key(
        &self,
        made: &mut Made,
        client: &Client,
        targets: Targets,
    ) -> (Arc<View>, GatewayKey) {
        let view = made.view(&self.world, client.namespace());
        let selecting = self.gateways.held_by(&client.labels);
        let sources = view.gateway_sources.held_by(&client.labels);
        let labels = selecting.iter().chain(sources.iter()).collect();
        (view, (key(client, labels), targets))
    }

    /// What a sidecar does with connections to its pod.
    pub fn inbound(&self, index: &Index, client: &Client) -> Inbound {
        inbound::of_client(index, &self.world, client)
    }

    /// How a proxy traces requests.
    pub fn tracing(&self, client: &Client) -> Tracing {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let view = made.view(&self.world, client.namespace());
        tracing::of_client(&self.world, &view, client)
    }

    /// What objects ask for and don't get; also at gateways that have not asked for their tables
    /// here: they may be connected to another replica.
    pub fn findings(&self, index: &Index) -> Vec<Finding> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let pods = lookup::gateways(index);
        let mut findings = findings::of_world(&self.world, index, &pods, &mut |namespace| {
            made.view(&self.world, namespace)
        });
        let mut at_gateways = BTreeMap::new();
        for (pod, targets) in pods {
            let Some(targets) = targets else { continue };
            if at_gateways.len() == GATEWAYS {
                break;
            }
            let (view, key) = self.gateway_key(&mut made, &Client::of(pod), targets);
            if at_gateways.contains_key(&key) {
                continue;
            }
            let before = made.at_gateways.remove(&key);
            let found = before.unwrap_or_else(|| site(&view, &key).findings(&self.world.gateways));
            findings.extend(found.iter().cloned());
            at_gateways.insert(key, found);
        }
        // What was found at gateways whose pods have gone is forgotten.
        made.at_gateways = at_gateways;
        findings.extend(made.left_out.iter().cloned());
        findings.sort();
        findings.dedup();
        findings
    }
}

/// A gateway that sees this.
fn site<'a>(view: &'a View, (key, targets): &'a GatewayKey) -> gateway::Site<'a> {
    gateway::Site {
        view,
        labels: &key.labels,
        targets,
        ipv6_only: key.ipv6_only,
    }
}

/// The name under which all clusters of a view are shared.
fn kind_name(kind: ProxyKind) -> Arc<str> {
    match kind {
        ProxyKind::Sidecar => "sidecar".into(),
        ProxyKind::Gateway => "gateway".into(),
    }
}

/// The key of a client with these labels, as far as tables depend on them.
fn key(client: &Client, labels: Labels) -> OutboundKey {
    OutboundKey {
        namespace: Arc::clone(client.namespace()),
        labels,
        ipv6_only: client.is_ipv6_only(),
    }
}

impl Made {
    fn view(&mut self, world: &World, namespace: &Arc<str>) -> Arc<View> {
        let view = self.views.entry(Arc::clone(namespace));
        let left_out = &mut self.left_out;
        Arc::clone(view.or_insert_with(|| {
            let view = View::new(world, namespace);
            left_out.extend(view.left_out.findings.iter().cloned());
            Arc::new(view)
        }))
    }

    fn clusters(&mut self, world: &World, view: &View, kind: ProxyKind) -> Arc<Clusters> {
        let clusters = self.clusters.entry((Arc::clone(&view.namespace), kind));
        let (shared, left_out) = (&mut self.shared, &mut self.left_out);
        let clusters = clusters.or_insert_with(|| {
            let (clusters, findings) = clusters::of_view(&world.mesh, view, kind);
            left_out.extend(findings);
            let clusters = clusters.into_iter();
            let clusters = clusters.map(|cluster| {
                let name = Arc::clone(&cluster.name);
                (Arc::clone(&name), shared.clusters.intern(&name, cluster))
            });
            let clusters = clusters.collect();
            // Most namespaces see the same, whose endpoints are then rendered once.
            shared.all_clusters.intern(&kind_name(kind), clusters)
        });
        Arc::clone(clusters)
    }
}
