//! The names that a resource needs before it can serve.

use std::{collections::BTreeSet, sync::Arc};

/// What a listener or a route configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Citations {
    pub clusters: BTreeSet<Arc<str>>,
    pub route_configurations: BTreeSet<Arc<str>>,
    /// Clusters that nothing waits for: spans are sent there once they are known.
    pub collectors: BTreeSet<Arc<str>>,
}

impl Citations {
    /// Adds a cluster; returns its name, shared with all who cite it.
    pub fn cluster(&mut self, name: &str) -> Arc<str> {
        cite(&mut self.clusters, name)
    }

    /// Adds all of these.
    pub fn extend(&mut self, others: Self) {
        // `append` would rebuild the whole set for each of thousands of hosts.
        self.clusters.extend(others.clusters);
        self.route_configurations
            .extend(others.route_configurations);
        self.collectors.extend(others.collectors);
    }

    /// The same for a route configuration.
    pub fn route_configuration(&mut self, name: &str) -> Arc<str> {
        cite(&mut self.route_configurations, name)
    }

    /// The same for the cluster of a collector.
    pub fn collector(&mut self, name: &str) -> Arc<str> {
        cite(&mut self.collectors, name)
    }
}

fn cite(names: &mut BTreeSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.get(name) {
        return Arc::clone(known);
    }
    let name: Arc<str> = Arc::from(name);
    names.insert(Arc::clone(&name));
    name
}
