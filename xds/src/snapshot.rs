//! All that one client may see.

use pillion_envoy_api::type_url;

use crate::{Layers, Resources};

/// The types in the order in which they are sent: a resource goes out after those that it
/// cites (Envoy's "eventual consistency considerations" of xDS). Other types come last.
const SENDING: [&str; 5] = [
    type_url::CLUSTER,
    type_url::CLUSTER_LOAD_ASSIGNMENT,
    type_url::LISTENER,
    type_url::ROUTE_CONFIGURATION,
    type_url::SECRET,
];

/// The types in the order in which resources are removed: after those that cite them.
const REMOVING: [&str; 5] = [
    type_url::LISTENER,
    type_url::ROUTE_CONFIGURATION,
    type_url::CLUSTER,
    type_url::CLUSTER_LOAD_ASSIGNMENT,
    type_url::SECRET,
];

/// The place of a type when resources are sent.
pub(crate) fn sending_rank(type_url: &str) -> usize {
    rank(&SENDING, type_url)
}

/// The place of a type when resources are removed.
pub(crate) fn removing_rank(type_url: &str) -> usize {
    rank(&REMOVING, type_url)
}

/// Whether a type has a place in the order of sending: clients may ask for it, whatever there is.
pub(crate) fn is_known(type_url: &str) -> bool {
    SENDING.contains(&type_url)
}

fn rank(order: &[&str], type_url: &str) -> usize {
    let known = order.iter().position(|one| *one == type_url);
    known.unwrap_or(order.len())
}

/// All resources that one client may see, by type. A clone shares them.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    types: Vec<(&'static str, Layers)>,
}

impl Snapshot {
    /// A snapshot without resources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The snapshot with all resources of a type replaced. Give it the `Arc` that it had, and
    /// nothing is compared.
    #[must_use]
    pub fn with(self, type_url: &'static str, resources: Resources) -> Self {
        self.with_layers(type_url, resources.into())
    }

    /// The snapshot with all resources of a type replaced by those that the client shares with
    /// others and its own.
    #[must_use]
    pub fn with_layers(mut self, type_url: &'static str, layers: Layers) -> Self {
        match self.types.iter_mut().find(|(one, _)| *one == type_url) {
            Some((_, before)) => *before = layers,
            None => self.types.push((type_url, layers)),
        }
        self
    }

    /// All resources of a type, if the snapshot has the type.
    #[must_use]
    pub fn get(&self, type_url: &str) -> Option<&Layers> {
        let found = self.types.iter().find(|(one, _)| *one == type_url);
        found.map(|(_, layers)| layers)
    }

    /// All resources of a type: none, if the snapshot lacks the type.
    pub(crate) fn layers(&self, type_url: &str) -> Layers {
        self.get(type_url).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::resources;

    #[test]
    fn replaces_a_type_and_keeps_the_others() {
        let (one, two, three) = (resources([]), resources([]), resources([]));
        let snapshot = Snapshot::new()
            .with(type_url::CLUSTER, one)
            .with(type_url::LISTENER, two.clone())
            .with(type_url::CLUSTER, three.clone());
        let is = |type_url, resources: &Resources| {
            Arc::ptr_eq(snapshot.get(type_url).unwrap().shared(), resources)
        };
        assert!(is(type_url::CLUSTER, &three));
        assert!(is(type_url::LISTENER, &two));
        assert!(snapshot.get(type_url::SECRET).is_none());
    }

    #[test]
    fn clusters_are_sent_first_and_removed_after_their_routes() {
        assert!(sending_rank(type_url::CLUSTER) < sending_rank(type_url::ROUTE_CONFIGURATION));
        assert!(removing_rank(type_url::CLUSTER) > removing_rank(type_url::ROUTE_CONFIGURATION));
        assert!(sending_rank("other") > sending_rank(type_url::SECRET));
    }
}
