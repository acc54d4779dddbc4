//! The resources of one type that one client may see, of which most clients see most.

use std::{collections::btree_map, iter::Peekable, sync::Arc};

use crate::{Resource, Resources};

/// All resources of one type that one client may see: those that it shares with other clients,
/// and its own. A clone shares both. One of its own hides a shared one of the same name.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    shared: Resources,
    own: Resources,
}

impl Layers {
    /// What clients share, and what is a client's own.
    #[must_use]
    pub fn new(shared: Resources, own: Resources) -> Self {
        Self { shared, own }
    }

    /// The resource of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        self.get_key_value(name).map(|(_, resource)| resource)
    }

    /// The resource of this name, and the name in memory.
    pub(crate) fn get_key_value(&self, name: &str) -> Option<(&Arc<str>, &Arc<Resource>)> {
        let own = self.own.get_key_value(name);
        own.or_else(|| self.shared.get_key_value(name))
    }

    /// Whether there is a resource of this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The resources, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Resource>)> {
        Iter {
            shared: self.shared.iter().peekable(),
            own: self.own.iter().peekable(),
        }
    }

    /// Whether both are in the same memory, so that nothing has to be compared.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && Arc::ptr_eq(&self.own, &other.own)
    }

    /// What clients share.
    #[must_use]
    pub fn shared(&self) -> &Resources {
        &self.shared
    }

    /// What is the client's own.
    #[must_use]
    pub fn own(&self) -> &Resources {
        &self.own
    }
}

impl From<Resources> for Layers {
    fn from(shared: Resources) -> Self {
        Self::new(shared, Resources::default())
    }
}

type Sorted<'a> = Peekable<btree_map::Iter<'a, Arc<str>, Arc<Resource>>>;

struct Iter<'a> {
    shared: Sorted<'a>,
    own: Sorted<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Arc<str>, &'a Arc<Resource>);

    fn next(&mut self) -> Option<Self::Item> {
        let (Some((shared, _)), Some((own, _))) = (self.shared.peek(), self.own.peek()) else {
            return self.own.next().or_else(|| self.shared.next());
        };
        let order = shared.cmp(own);
        if order.is_le() {
            let shared = self.shared.next();
            if order.is_lt() {
                return shared;
            }
        }
        self.own.next()
    }
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::Any;

    use super::*;
    use crate::resources;

    fn set(names: &[&str], content: &'static str) -> Resources {
        resources(names.iter().map(|name| {
            let body = Any {
                type_url: "t".to_owned(),
                value: content.as_bytes().into(),
            };
            Resource::new(*name, body)
        }))
    }

    #[test]
    fn both_layers_are_seen_in_order_and_ones_own_first() {
        let layers = Layers::new(set(&["a", "c", "d"], "1"), set(&["b", "c", "e"], "2"));
        let shown: Vec<_> = layers
            .iter()
            .map(|(name, one)| format!("{name}{}", String::from_utf8_lossy(&one.body.value)))
            .collect();
        assert_eq!(shown, ["a1", "b2", "c2", "d1", "e2"]);
        assert_eq!(layers.get("c").unwrap().body.value, "2");
        assert!(layers.get("f").is_none());
    }
}
