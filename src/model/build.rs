//! The answers, made when they are asked for and shared by all clients for which they are
//! the same. A builder is for one state of the rules.

mod clusters;
mod domains;
mod findings;
mod gateway;
mod http_routes;
mod inbound;
mod intern;
mod listeners;
mod owners;
mod route_tables;
mod shared;
mod tcp_routes;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

pub(super) use self::shared::Shared;
use self::{inbound::Targets, view::View};
use super::{
    client::Client,
    finding::Finding,
    index::Index,
    objects::{Labels, ProxyKind},
    tables::{Clusters, GatewayTables, Inbound, Outbound},
    world::World,
};

/// Destinations and rules, and what was made of them so far.
#[derive(Debug)]
pub(super) struct Builder {
    world: World,
    /// The names of the labels on which tables depend: those that rules name as sources, and
    /// those by which Gateways select.
    label_names: BTreeSet<String>,
    made: Mutex<Made>,
}

/// What was made so far.
#[derive(Debug, Default)]
struct Made {
    views: BTreeMap<Arc<str>, Arc<View>>,
    clusters: BTreeMap<(Arc<str>, ProxyKind), Arc<Clusters>>,
    outbound: BTreeMap<OutboundKey, Arc<Outbound>>,
    gateways: BTreeMap<(OutboundKey, Targets), Arc<GatewayTables>>,
    shared: Shared,
}

/// What the outbound tables depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OutboundKey {
    namespace: Arc<str>,
    labels: Labels,
    ipv6_only: bool,
}

impl Builder {
    /// Reads the index. What is equal to what was made before the rules changed is shared.
    pub fn new(index: &Index, shared: Shared) -> Self {
        let world = World::new(index);
        Self {
            label_names: label_names(&world),
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
        let key = self.key(client);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outbound) = made.outbound.get(&key) {
            return Arc::clone(outbound);
        }
        let view = made.view(&self.world, &key.namespace);
        let clusters = made.clusters(&self.world, &view, ProxyKind::Sidecar);
        let shared = &mut made.shared;
        let listeners = listeners::of_view(&view, &key.labels, key.ipv6_only).into_iter();
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
        let targets = inbound::targets(index, client);
        let key = (self.key(client), targets);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tables) = made.gateways.get(&key) {
            return Arc::clone(tables);
        }
        let view = made.view(&self.world, &key.0.namespace);
        let clusters = made.clusters(&self.world, &view, ProxyKind::Gateway);
        let site = gateway::Site {
            view: &view,
            labels: &key.0.labels,
            targets: &key.1,
            ipv6_only: key.0.ipv6_only,
        };
        let tables = site.tables(&self.world.gateways, clusters);
        let tables = made.shared.gateways.intern(&key.0.namespace, tables);
        made.gateways.insert(key, Arc::clone(&tables));
        tables
    }

    /// What a sidecar does with connections to its pod.
    pub fn inbound(&self, index: &Index, client: &Client) -> Inbound {
        inbound::of_client(index, client)
    }

    /// What objects ask for and don't get.
    pub fn findings(&self) -> Vec<Finding> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        findings::of_world(&self.world, &mut |namespace| {
            made.view(&self.world, namespace)
        })
    }

    fn key(&self, client: &Client) -> OutboundKey {
        OutboundKey {
            namespace: Arc::clone(client.namespace()),
            labels: client.labels.restricted_to(&self.label_names),
            ipv6_only: client.is_ipv6_only(),
        }
    }
}

impl Made {
    fn view(&mut self, world: &World, namespace: &Arc<str>) -> Arc<View> {
        let view = self.views.entry(Arc::clone(namespace));
        Arc::clone(view.or_insert_with(|| Arc::new(View::new(world, namespace))))
    }

    fn clusters(&mut self, world: &World, view: &View, kind: ProxyKind) -> Arc<Clusters> {
        let clusters = self.clusters.entry((Arc::clone(&view.namespace), kind));
        let shared = &mut self.shared;
        let clusters = clusters.or_insert_with(|| {
            let clusters = clusters::of_view(&world.mesh, view, kind).into_iter();
            let clusters = clusters.map(|cluster| {
                let name = Arc::clone(&cluster.name);
                (Arc::clone(&name), shared.clusters.intern(&name, cluster))
            });
            let clusters = clusters.collect();
            shared.all_clusters.intern(&view.namespace, clusters)
        });
        Arc::clone(clusters)
    }
}

fn label_names(world: &World) -> BTreeSet<String> {
    let rules = world.virtual_services.iter();
    let sources = rules.flat_map(|rules| {
        let http = rules.http.iter().flat_map(|rule| &rule.blocks);
        let tcp = rules.tcp.iter().flat_map(|rule| &rule.blocks);
        let http = http.map(|block| &block.statics.source_labels);
        http.chain(tcp.map(|block| &block.statics.source_labels))
    });
    let selectors = world.gateways.iter().map(|gateway| &gateway.selector);
    let labels = sources.chain(selectors).flat_map(Labels::iter);
    labels.map(|(name, _)| name.to_owned()).collect()
}
