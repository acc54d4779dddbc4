//! One generation of configuration.

use std::{sync::Arc, time::Duration};

#[cfg(test)]
use super::Cluster;
use super::{Clusters, Listeners, built_in};

/// The generation that the proxy has by itself.
const BUILT_IN: u64 = 1;

/// One generation of tables, which a [`super::Publisher`] gives to the workers.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts from 1.
    pub generation: u64,
    /// Shared by the generations in which no listener and no route has changed.
    pub listeners: Arc<Listeners>,
    /// What routes cite by name.
    pub clusters: Arc<Clusters>,
    /// Where the tables come from, such as `pillion-discovery.istio-system.svc:15012`, for
    /// those who wait for newer ones.
    pub server: Arc<str>,
    /// The newest of the generations before, whose listeners connections would miss in the one
    /// that followed it; 0 if there is none. The publisher finds it out.
    pub(super) missed: u64,
}

impl Snapshot {
    /// These tables.
    pub fn new(
        generation: u64,
        listeners: Arc<Listeners>,
        clusters: Arc<Clusters>,
        server: Arc<str>,
    ) -> Self {
        Self {
            generation,
            listeners,
            clusters,
            server,
            missed: 0,
        }
    }

    /// The tables of a proxy without a control plane: everything goes to where the
    /// application sent it.
    pub fn pass_through(detection_timeout: Duration) -> Self {
        Self::new(
            BUILT_IN,
            Arc::new(built_in::listeners(detection_timeout)),
            Arc::new(built_in::clusters()),
            Arc::from("none"),
        )
    }

    /// Whether the proxy has these tables by itself. No client knows such a configuration.
    pub(super) fn is_built_in(&self) -> bool {
        self.generation == BUILT_IN
    }
}

#[cfg(test)]
impl Snapshot {
    /// Has every request and every connection go to that cluster.
    pub fn forwarding_all_to(cluster: Arc<Cluster>) -> Self {
        let name = cluster.name();
        Self {
            listeners: Arc::new(built_in::listeners_to((name, name), Duration::ZERO)),
            clusters: Arc::new(Clusters::from_iter([Arc::clone(&cluster)])),
            ..Self::pass_through(Duration::ZERO)
        }
    }
}
