//! The clusters, by name.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Cluster, Lookup};

/// The clusters of a generation.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    known: HashMap<Arc<str>, Arc<Cluster>>,
    /// Those that the control plane has been asked for.
    awaited: HashSet<Arc<str>>,
}

impl Clusters {
    /// Adds a cluster under its name.
    pub fn insert(&mut self, cluster: Arc<Cluster>) {
        self.known
            .insert(Arc::clone(&cluster.settings.name), cluster);
    }

    /// The control plane has been asked for that one.
    pub fn wait_for(&mut self, name: Arc<str>) {
        self.awaited.insert(name);
    }

    /// The cluster of that name.
    pub fn find(&self, name: &str) -> Lookup<&Arc<Cluster>> {
        match self.known.get(name) {
            Some(cluster) => Lookup::Found(cluster),
            None if self.awaited.contains(name) => Lookup::Waiting,
            None => Lookup::Missing,
        }
    }

    /// All that are known.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.known.values()
    }
}

impl FromIterator<Arc<Cluster>> for Clusters {
    fn from_iter<I: IntoIterator<Item = Arc<Cluster>>>(clusters: I) -> Self {
        let mut all = Self::default();
        clusters.into_iter().for_each(|cluster| all.insert(cluster));
        all
    }
}
