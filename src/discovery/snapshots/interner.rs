//! Resources, each once: what is rendered again and is the same keeps its bytes, so that
//! nothing is compared and nothing is kept twice.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use pillion_envoy_api::any;
use pillion_xds::Resource;
use prost::Message;

/// The resources that somebody sees, by type, name and version.
#[derive(Debug, Default)]
pub(super) struct Interner {
    types: HashMap<&'static str, HashMap<Arc<str>, Versions>>,
    /// How many there are.
    count: usize,
    /// How many there may be until those that nobody sees are looked for.
    until: usize,
}

/// The resources of one name, by version. Classes of proxies may see different ones.
type Versions = HashMap<Arc<str>, Weak<Resource>>;

/// How many resources there are before any is forgotten.
const FEW: usize = 1_024;

impl Interner {
    /// The resource of a message. Proxies that see different things may have different
    /// resources of one name.
    pub fn resource<M: Message>(
        &mut self,
        type_url: &'static str,
        name: &str,
        message: &M,
    ) -> Arc<Resource> {
        let resource = Resource::new(name, any(type_url, message));
        let of_type = self.types.entry(type_url).or_default();
        if let Some(known) = of_type.get(name)
            && let Some(same) = known.get(&resource.version).and_then(Weak::upgrade)
        {
            return same;
        }
        let resource = Arc::new(resource);
        let versions = of_type.entry(Arc::clone(&resource.name)).or_default();
        let before = versions.insert(Arc::clone(&resource.version), Arc::downgrade(&resource));
        self.count += usize::from(before.is_none());
        if self.count > self.until.max(FEW) {
            self.prune();
        }
        resource
    }

    /// Forgets resources that nobody sees any more. It is also done whenever their number has
    /// doubled.
    pub fn prune(&mut self) {
        self.count = 0;
        for of_type in self.types.values_mut() {
            of_type.retain(|_, versions| {
                versions.retain(|_, one| one.strong_count() > 0);
                self.count += versions.len();
                !versions.is_empty()
            });
        }
        self.until = self.count * 2;
    }
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::{envoy::config::cluster::v3::Cluster, type_url};

    use super::*;

    fn cluster(stat: &str) -> Cluster {
        Cluster {
            name: "a".to_owned(),
            alt_stat_name: stat.to_owned(),
            ..Cluster::default()
        }
    }

    #[test]
    fn equal_messages_are_one_resource() {
        let mut interner = Interner::default();
        let mut of = |stat| interner.resource(type_url::CLUSTER, "a", &cluster(stat));
        let (one, two, three) = (of("x"), of("x"), of("y"));
        assert!(Arc::ptr_eq(&one, &two));
        assert_ne!(one.version, three.version);
    }

    #[test]
    fn does_not_grow_by_resources_that_nobody_sees() {
        let mut interner = Interner::default();
        for index in 0..10 * FEW {
            interner.resource(type_url::CLUSTER, "a", &cluster(&index.to_string()));
        }
        assert!(interner.count <= FEW + 1);
        assert!(interner.types[type_url::CLUSTER]["a"].len() <= FEW + 1);
    }

    #[test]
    fn forgets_what_nobody_sees() {
        let mut interner = Interner::default();
        let kept = interner.resource(type_url::CLUSTER, "a", &cluster("x"));
        drop(interner.resource(type_url::CLUSTER, "b", &cluster("x")));
        interner.prune();
        let of_type = &interner.types[type_url::CLUSTER];
        assert_eq!(of_type.len(), 1);
        assert!(of_type.contains_key(&*kept.name));
    }
}
