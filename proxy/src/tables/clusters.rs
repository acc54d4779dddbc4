//! The clusters, by name.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Cluster, Endpoints, Lookup};

/// The clusters of a generation.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    known: HashMap<Arc<str>, Arc<Cluster>>,
}

impl Clusters {
    /// Adds a cluster under its name.
    pub fn insert(&mut self, cluster: Arc<Cluster>) {
        self.known
            .insert(Arc::clone(&cluster.settings.name), cluster);
    }

    /// The cluster of that name. Until the control plane has told its endpoints, it is waited for.
    pub fn find(&self, name: &str) -> Lookup<&Arc<Cluster>> {
        match self.known.get(name) {
            Some(cluster) if matches!(cluster.endpoints, Endpoints::Waiting) => Lookup::Waiting,
            Some(cluster) => Lookup::Found(cluster),
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
