//! Objects of one kind by name.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use crate::model::{
    event::Change,
    objects::{EndpointSlice, Key, Namespace, Node, Object, Pod, Service},
};

/// What has a name.
pub(super) trait Named {
    /// The name. Cluster-wide objects have an empty namespace.
    fn key(&self) -> Key;
}

impl Named for Service {
    fn key(&self) -> Key {
        self.meta.key.clone()
    }
}

impl Named for EndpointSlice {
    fn key(&self) -> Key {
        self.key.clone()
    }
}

impl Named for Pod {
    fn key(&self) -> Key {
        self.key.clone()
    }
}

impl Named for Namespace {
    fn key(&self) -> Key {
        Key::new("", Arc::clone(&self.name))
    }
}

impl Named for Node {
    fn key(&self) -> Key {
        Key::new("", Arc::clone(&self.name))
    }
}

impl<T> Named for Object<T> {
    fn key(&self) -> Key {
        self.meta.key.clone()
    }
}

/// Objects of one kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Objects<T>(BTreeMap<Key, Arc<T>>);

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// An object that came, went or changed.
pub(super) struct Replaced<T> {
    /// Its name.
    pub key: Key,
    /// What it was.
    pub old: Option<Arc<T>>,
    /// What it is.
    pub new: Option<Arc<T>>,
}

impl<T: Named + PartialEq> Objects<T> {
    /// Takes in a change. `None` is a change that changes nothing.
    pub fn apply(&mut self, change: Change<T>) -> Option<Replaced<T>> {
        match change {
            Change::Apply(new) => {
                let key = new.key();
                if self.0.get(&key).is_some_and(|old| **old == new) {
                    return None;
                }
                let new = Arc::new(new);
                let old = self.0.insert(key.clone(), Arc::clone(&new));
                let new = Some(new);
                Some(Replaced { key, old, new })
            }
            Change::Delete(key) => {
                let old = Some(self.0.remove(&key)?);
                Some(Replaced {
                    key,
                    old,
                    new: None,
                })
            }
        }
    }
}

impl<T> Objects<T> {
    /// The object of that name.
    pub fn get(&self, key: &Key) -> Option<&Arc<T>> {
        self.0.get(key)
    }

    /// All objects, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.values()
    }

    /// The objects of a namespace, in the order of their names.
    pub fn in_namespace(&self, namespace: &Arc<str>) -> impl Iterator<Item = &Arc<T>> {
        let first = Key::new(Arc::clone(namespace), "");
        let objects = self.0.range((Bound::Included(first), Bound::Unbounded));
        objects
            .take_while(|(key, _)| key.namespace == *namespace)
            .map(|(_, object)| object)
    }
}
