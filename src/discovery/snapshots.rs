//! What each proxy may see, rendered once for all proxies that see the same.

mod clusters;
mod common;
mod crowded;
mod interner;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use pillion_envoy_api::{
    envoy::config::{cluster::v3::Cluster, listener::v3::Listener},
    type_url,
};
use pillion_xds::{Layers, Resource, Resources, Snapshot};

use self::{clusters::ClusterSets, common::Commons, interner::Interner};
use super::render::{self, Settings};
use crate::model::{Client, Dirty, Event, Finding, Key, Model, ProxyKind, StrictHosts};

/// The model, and what was rendered of it.
#[derive(Debug)]
pub(super) struct Snapshots {
    model: Model,
    settings: Settings,
    /// The roots that all proxies trust.
    secrets: Resources,
    interner: Interner,
    clusters: ClusterSets,
    commons: Commons,
    /// By what distinguishes proxies: the common part, and the versions of their own parts.
    classes: HashMap<Class, (Snapshot, usize)>,
    /// Counts how often everything was forgotten.
    generation: u64,
}

/// What distinguishes the proxies that see the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// A key may be another part's after everything was forgotten, and proxies keep their classes.
    generation: u64,
    /// The place of the common part.
    common: usize,
    /// The versions of the resources that are the proxy's own.
    own: Vec<Arc<str>>,
}

impl Snapshots {
    pub fn new(settings: Settings) -> Self {
        Self {
            model: Model::paced(),
            settings,
            secrets: Resources::default(),
            interner: Interner::default(),
            clusters: ClusterSets::default(),
            commons: Commons::default(),
            classes: HashMap::new(),
            generation: 0,
        }
    }

    /// Takes in a change, and says what may have changed for proxies.
    pub fn apply(&mut self, event: Event) -> Dirty {
        self.model.apply(event)
    }

    /// Takes in what the mesh's configuration says about all proxies. Returns whether that has
    /// changed.
    pub fn set(&mut self, settings: Settings) -> bool {
        let differs = self.settings != settings;
        self.settings = settings;
        differs
    }

    /// Replaces the roots that all proxies trust, in PEM. Returns whether they have changed.
    pub fn trust(&mut self, roots: &str) -> bool {
        let secret = render::root_ca(roots);
        let resource = self
            .interner
            .resource(type_url::SECRET, render::ROOT_CA, &secret);
        let before = self.secrets.get(render::ROOT_CA);
        if before.is_some_and(|before| before.version == resource.version) {
            return false;
        }
        self.secrets = by_name([resource]);
        for (snapshot, _) in self.classes.values_mut() {
            let secrets = Arc::clone(&self.secrets);
            *snapshot = std::mem::take(snapshot).with(type_url::SECRET, secrets);
        }
        true
    }

    /// The proxy of a pod, if the pod is known.
    pub fn client(&self, pod: &Key) -> Option<Client> {
        self.model.client(pod)
    }

    /// What objects ask for and don't get, because of others.
    pub fn findings(&self) -> Vec<Finding> {
        self.model.findings()
    }

    /// The hosts whose pods take only mutual TLS.
    pub fn strict_hosts(&self) -> StrictHosts {
        self.model.strict_hosts()
    }

    /// Forgets what was rendered: rules have changed, which proxies see from now on. Resources
    /// that are the same again keep their bytes.
    pub fn forget(&mut self) {
        self.model.renew();
        self.clusters.clear();
        self.commons.clear();
        self.classes.clear();
        self.generation += 1;
    }

    /// Frees the memory of resources that nobody sees any more.
    pub fn prune(&mut self) {
        self.interner.prune();
    }

    /// Renders the endpoints of these hosts again, and how they are spoken to.
    pub fn renew_endpoints(&mut self, hosts: &BTreeSet<Arc<str>>) {
        self.clusters
            .renew_endpoints(hosts, &self.model, &mut self.interner);
        for (snapshot, clusters) in self.classes.values_mut() {
            if let Some(set) = self.clusters.get(*clusters) {
                let own = snapshot.get(type_url::CLUSTER).map(Layers::own).cloned();
                let clusters = Layers::new(Arc::clone(&set.clusters), own.unwrap_or_default());
                let assignments = Arc::clone(&set.assignments);
                *snapshot = std::mem::take(snapshot)
                    .with_layers(type_url::CLUSTER, clusters)
                    .with(type_url::CLUSTER_LOAD_ASSIGNMENT, assignments);
            }
        }
    }

    /// What the proxies of a class see now; `None` if its rules have changed.
    pub fn of_class(&self, class: &Class) -> Option<Snapshot> {
        let (snapshot, _) = self.classes.get(class)?;
        Some(snapshot.clone())
    }

    /// What a proxy may see, and the class of proxies that see the same.
    pub fn of(&mut self, client: &Client) -> (Class, Snapshot) {
        match client.kind {
            ProxyKind::Sidecar => self.sidecar(client),
            ProxyKind::Gateway => self.gateway(client),
        }
    }

    fn sidecar(&mut self, client: &Client) -> (Class, Snapshot) {
        let (outbound, inbound) = (self.model.outbound(client), self.model.inbound(client));
        let is_v6 = client.is_ipv6_only();
        let tracing = self.model.tracing(client);
        let settings = &self.settings;
        let clusters = self
            .clusters
            .add(&outbound.clusters, &self.model, &mut self.interner);
        let common = self.commons.outbound(
            client,
            &outbound,
            (settings, tracing.client.as_ref()),
            &mut self.interner,
        );
        let mut own = Own::new(&mut self.interner);
        let tracer = tracing.server.as_deref();
        own.listener(&render::virtual_inbound(&inbound, is_v6, settings, tracer));
        own.listener(&render::virtual_outbound(is_v6, settings));
        own.cluster(&render::passthrough(settings));
        own.cluster(&render::black_hole(settings));
        for cluster in render::inbound_clusters(&inbound, is_v6, settings) {
            own.cluster(&cluster);
        }
        let own = own.done();
        self.class(common, clusters, own)
    }

    fn gateway(&mut self, client: &Client) -> (Class, Snapshot) {
        let tables = self.model.gateway(client);
        let tracing = self.model.tracing(client);
        let settings = &self.settings;
        let clusters = self
            .clusters
            .add(&tables.clusters, &self.model, &mut self.interner);
        let tracer = tracing.client.as_ref();
        let common = self
            .commons
            .gateway(client, &tables, (settings, tracer), &mut self.interner);
        let mut own = Own::new(&mut self.interner);
        own.cluster(&render::black_hole(settings));
        let own = own.done();
        self.class(common, clusters, own)
    }

    fn class(&mut self, common: usize, clusters: usize, own: Rendered) -> (Class, Snapshot) {
        let versions = own.listeners.iter().chain(&own.clusters);
        let class = Class {
            generation: self.generation,
            common,
            own: versions.map(|one| Arc::clone(&one.version)).collect(),
        };
        if let Some((snapshot, _)) = self.classes.get(&class) {
            return (class, snapshot.clone());
        }
        let snapshot = self.assemble(common, clusters, own);
        let entry = (snapshot.clone(), clusters);
        self.classes.insert(class.clone(), entry);
        (class, snapshot)
    }

    fn assemble(&self, common: usize, clusters: usize, own: Rendered) -> Snapshot {
        let secrets = Arc::clone(&self.secrets);
        let mut snapshot = Snapshot::new().with(type_url::SECRET, secrets);
        if let Some(set) = self.clusters.get(clusters) {
            let clusters = Layers::new(Arc::clone(&set.clusters), by_name(own.clusters));
            snapshot = snapshot.with_layers(type_url::CLUSTER, clusters).with(
                type_url::CLUSTER_LOAD_ASSIGNMENT,
                Arc::clone(&set.assignments),
            );
        }
        if let Some(common) = self.commons.get(common) {
            let listeners = Layers::new(Arc::clone(&common.listeners), by_name(own.listeners));
            snapshot = snapshot
                .with_layers(type_url::LISTENER, listeners)
                .with(type_url::ROUTE_CONFIGURATION, Arc::clone(&common.routes));
        }
        snapshot
    }
}

/// Resources by their names.
fn by_name(resources: impl IntoIterator<Item = Arc<Resource>>) -> Resources {
    let resources = resources.into_iter();
    Arc::new(resources.map(|one| (Arc::clone(&one.name), one)).collect())
}

/// A proxy's own resources.
#[derive(Debug, Default)]
struct Rendered {
    listeners: Vec<Arc<Resource>>,
    clusters: Vec<Arc<Resource>>,
}

/// Collects a proxy's own resources.
struct Own<'a> {
    interner: &'a mut Interner,
    rendered: Rendered,
}

impl<'a> Own<'a> {
    fn new(interner: &'a mut Interner) -> Self {
        Self {
            interner,
            rendered: Rendered::default(),
        }
    }

    fn listener(&mut self, listener: &Listener) {
        let resource = self
            .interner
            .resource(type_url::LISTENER, &listener.name, listener);
        self.rendered.listeners.push(resource);
    }

    fn cluster(&mut self, cluster: &Cluster) {
        let resource = self
            .interner
            .resource(type_url::CLUSTER, &cluster.name, cluster);
        self.rendered.clusters.push(resource);
    }

    fn done(self) -> Rendered {
        self.rendered
    }
}
