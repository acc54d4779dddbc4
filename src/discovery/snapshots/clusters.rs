//! The clusters that some proxies may see, and their endpoints.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use pillion_envoy_api::type_url;
use pillion_xds::{Resource, Resources};

use super::interner::Interner;
use crate::{
    discovery::render,
    model::{Cluster, Clusters, Discovery, Model},
};

/// A set of clusters.
#[derive(Debug)]
pub(super) struct ClusterSet {
    /// What was rendered; its address is the set's key.
    source: Arc<Clusters>,
    /// Those that depend on endpoints, by host: they take them from the stream, or speak TLS to them.
    by_host: HashMap<Arc<str>, Vec<Arc<Cluster>>>,
    /// The clusters.
    pub clusters: Resources,
    /// The endpoints of those that take them from the stream.
    pub assignments: Resources,
}

/// The sets that were rendered, by their keys.
#[derive(Debug, Default)]
pub(super) struct ClusterSets(HashMap<usize, ClusterSet>);

impl ClusterSets {
    /// Returns the key of the set of these clusters, which is rendered unless it has been.
    pub fn add(&mut self, source: &Arc<Clusters>, model: &Model, interner: &mut Interner) -> usize {
        let key = Arc::as_ptr(source).addr();
        self.0.entry(key).or_insert_with(|| {
            let clusters = source.values().map(|cluster| {
                let resource = self::cluster(cluster, source.len(), model, interner);
                (Arc::clone(&resource.name), resource)
            });
            let clusters = Arc::new(clusters.collect());
            let assignments = source
                .values()
                .filter(|cluster| has_endpoints(cluster))
                .map(|cluster| {
                    (
                        Arc::clone(&cluster.name),
                        assignment(cluster, model, interner),
                    )
                });
            let mut by_host: HashMap<_, Vec<_>> = HashMap::new();
            for cluster in source.values() {
                let of_host = by_host.entry(Arc::clone(&cluster.key.host)).or_default();
                of_host.push(Arc::clone(cluster));
            }
            ClusterSet {
                source: Arc::clone(source),
                by_host,
                clusters,
                assignments: Arc::new(assignments.collect()),
            }
        });
        key
    }

    /// Returns a set.
    pub fn get(&self, key: usize) -> Option<&ClusterSet> {
        self.0.get(&key)
    }

    /// Forgets all sets.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Renders the endpoints of these hosts again, and what of their clusters depends on endpoints: the
    /// names in their certificates, which must be known when they are.
    pub fn renew_endpoints(
        &mut self,
        hosts: &BTreeSet<Arc<str>>,
        model: &Model,
        interner: &mut Interner,
    ) {
        for set in self.0.values_mut() {
            let of_hosts = hosts.iter().filter_map(|host| set.by_host.get(host));
            let of_hosts = of_hosts.flatten();
            let (mut clusters, mut assignments) = (Vec::new(), Vec::new());
            for one in of_hosts {
                if model.has_mutual_tls() {
                    clusters.push(cluster(one, set.source.len(), model, interner));
                }
                if has_endpoints(one) {
                    assignments.push(assignment(one, model, interner));
                }
            }
            replace(&mut set.clusters, clusters);
            replace(&mut set.assignments, assignments);
        }
    }
}

/// Puts those in the place of the ones of their names from which they differ.
fn replace(all: &mut Resources, new: Vec<Arc<Resource>>) {
    let differs = |new: &Arc<Resource>| {
        let before = all.get(&new.name);
        before.is_none_or(|before| before.version != new.version)
    };
    let changed = new.into_iter().filter(differs);
    let changed: Vec<_> = changed.map(|new| (Arc::clone(&new.name), new)).collect();
    if !changed.is_empty() {
        // Streams share the map, so it is replaced rather than changed.
        let mut renewed = BTreeMap::clone(all);
        renewed.extend(changed);
        *all = Arc::new(renewed);
    }
}

fn has_endpoints(cluster: &Cluster) -> bool {
    cluster.discovery == Discovery::Endpoints
}

/// A cluster of a proxy that has `many` of them.
fn cluster(
    cluster: &Cluster,
    many: usize,
    model: &Model,
    interner: &mut Interner,
) -> Arc<Resource> {
    let rendered = render::outbound_cluster(cluster, &model.transport(cluster, many));
    interner.resource(type_url::CLUSTER, &cluster.name, &rendered)
}

fn assignment(cluster: &Cluster, model: &Model, interner: &mut Interner) -> Arc<Resource> {
    let groups = model.endpoints(cluster);
    let rendered = render::load_assignment(&cluster.name, &groups);
    interner.resource(type_url::CLUSTER_LOAD_ASSIGNMENT, &cluster.name, &rendered)
}
