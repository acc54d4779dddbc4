//! Resources, each once: what is rendered again and is the same keeps its bytes, so that
//! nothing is compared and nothing is kept twice.

use std::{collections::HashMap, sync::Arc};

use pillion_envoy_api::any;
use pillion_xds::Resource;
use prost::Message;

/// The resources that somebody sees.
#[derive(Debug, Default)]
pub(super) struct Interner(HashMap<&'static str, HashMap<Arc<str>, Vec<Arc<Resource>>>>);

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
        let of_type = self.0.entry(type_url).or_default();
        if let Some(known) = of_type.get(name)
            && let Some(same) = known.iter().find(|one| one.version == resource.version)
        {
            return Arc::clone(same);
        }
        let resource = Arc::new(resource);
        let known = of_type.entry(Arc::clone(&resource.name)).or_default();
        known.push(Arc::clone(&resource));
        resource
    }

    /// Forgets resources that nobody sees any more.
    pub fn prune(&mut self) {
        for of_type in self.0.values_mut() {
            of_type.retain(|_, known| {
                known.retain(|one| Arc::strong_count(one) > 1);
                !known.is_empty()
            });
        }
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
    fn forgets_what_nobody_sees() {
        let mut interner = Interner::default();
        let kept = interner.resource(type_url::CLUSTER, "a", &cluster("x"));
        drop(interner.resource(type_url::CLUSTER, "b", &cluster("x")));
        interner.prune();
        let of_type = &interner.0[type_url::CLUSTER];
        assert_eq!(of_type.len(), 1);
        assert!(of_type.contains_key(&*kept.name));
    }
}
