//! The names of the objects that a watch knows.

use std::collections::BTreeSet;

use kube::{Resource, runtime::watcher};

use super::convert::meta::key;
use crate::model::Key;

/// The names of the objects that exist.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeSet<Key>,
    /// Those in the list that is being received.
    listing: BTreeSet<Key>,
}

impl Names {
    /// Records an event. Returns the object that has changed, and the names of those that no
    /// longer exist.
    pub fn take<K: Resource>(&mut self, event: watcher::Event<K>) -> (Option<K>, Vec<Key>) {
        match event {
            watcher::Event::Init => {
                self.listing.clear();
                (None, Vec::new())
            }
            watcher::Event::InitApply(object) => {
                self.listing.insert(key(&object));
                self.known.insert(key(&object));
                (Some(object), Vec::new())
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listing);
                let gone = self.known.difference(&listed).cloned().collect();
                self.known = listed;
                (None, gone)
            }
            watcher::Event::Apply(object) => {
                self.known.insert(key(&object));
                (Some(object), Vec::new())
            }
            watcher::Event::Delete(object) => {
                let key = key(&object);
                // It may be one that was never passed on.
                let was_known = self.known.remove(&key);
                (None, was_known.then_some(key).into_iter().collect())
            }
        }
    }

    /// Forgets all objects; returns their names.
    pub fn clear(&mut self) -> impl Iterator<Item = Key> + use<> {
        self.listing.clear();
        std::mem::take(&mut self.known).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::*;

    fn map(name: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                namespace: Some("ns".to_owned()),
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    fn list(names: &mut Names, listed: &[&str]) -> Vec<Key> {
        names.take(watcher::Event::<ConfigMap>::Init);
        for name in listed {
            let (applied, gone) = names.take(watcher::Event::InitApply(map(name)));
            assert!(applied.is_some() && gone.is_empty());
        }
        names.take(watcher::Event::<ConfigMap>::InitDone).1
    }

    #[test]
    fn finds_what_was_deleted_while_nobody_watched() {
        let mut names = Names::default();
        assert!(list(&mut names, &["a", "b"]).is_empty());
        names.take(watcher::Event::Apply(map("c")));
        assert_eq!(
            list(&mut names, &["b"]),
            [Key::new("ns", "a"), Key::new("ns", "c")]
        );
    }

    #[test]
    fn passes_on_a_deletion_once() {
        let mut names = Names::default();
        list(&mut names, &["a"]);
        let (_, gone) = names.take(watcher::Event::Delete(map("a")));
        assert_eq!(gone, [Key::new("ns", "a")]);
        assert!(list(&mut names, &[]).is_empty());
    }

    #[test]
    fn an_interrupted_list_deletes_nothing() {
        let mut names = Names::default();
        list(&mut names, &["a", "b"]);
        names.take(watcher::Event::<ConfigMap>::Init);
        names.take(watcher::Event::InitApply(map("a")));
        assert!(list(&mut names, &["a", "b"]).is_empty());
    }
}
