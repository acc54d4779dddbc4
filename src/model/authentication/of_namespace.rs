//! The PeerAuthentications of a namespace, to be found by the labels of pods. Rendering asks for each endpoint
//! of each cluster.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use crate::model::{
    objects::{Key, Labels},
    rules::PeerAuthentication,
};

/// The most objects with a selector that pods are compared with, the oldest.
pub(in crate::model) const SELECTING: usize = 1_000;
/// How many different sets of labels are remembered with their result, before all are forgotten.
const REMEMBERED: usize = 65_536;

/// The objects of a namespace.
#[derive(Debug)]
pub(super) struct OfNamespace {
    /// The oldest first.
    objects: Vec<PeerAuthentication>,
    /// Those with a selector that are left out.
    left_out: Vec<Key>,
    /// The place of the one for all pods.
    of_all: Option<usize>,
    /// The places of those with a selector, by one label of each: the one that fewest have.
    by_label: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    known: Mutex<Known>,
}

/// The places of the objects for pods that were asked for. Labels are known by two hashes, so that those of pods
/// that are gone take no memory.
#[derive(Debug, Default)]
struct Known {
    hashers: [RandomState; 2],
    places: HashMap<[u64; 2], Option<usize>>,
}

impl OfNamespace {
    /// Takes in the objects, in any order.
    pub fn new(mut objects: Vec<PeerAuthentication>) -> Self {
        objects.sort_by(|one, other| one.meta.order(&other.meta));
        let mut selecting = 0;
        let mut left_out = Vec::new();
        objects.retain(|object| {
            selecting += usize::from(!object.selector.is_empty());
            let is_kept = object.selector.is_empty() || selecting <= SELECTING;
            if !is_kept {
                left_out.push(object.meta.key.clone());
            }
            is_kept
        });
        Self {
            left_out,
            of_all: objects.iter().position(|object| object.selector.is_empty()),
            by_label: by_label(&objects),
            objects,
            known: Mutex::default(),
        }
    }

    /// The objects but for those that are left out, the oldest first.
    pub fn objects(&self) -> &[PeerAuthentication] {
        &self.objects
    }

    /// Those that are left out, the oldest first.
    pub fn left_out(&self) -> &[Key] {
        &self.left_out
    }

    /// The object for all pods.
    pub fn of_all(&self) -> Option<&PeerAuthentication> {
        self.objects.get(self.of_all?)
    }

    /// The object with a selector that applies to pods with these labels.
    pub fn of_pods(&self, labels: &Labels) -> Option<&PeerAuthentication> {
        if self.by_label.is_empty() {
            return None;
        }
        // What is known is right after any panic.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hashes = known.hashers.each_ref().map(|one| one.hash_one(labels));
        if known.places.len() >= REMEMBERED && !known.places.contains_key(&hashes) {
            known.places.clear();
        }
        let place = known.places.entry(hashes);
        let place = *place.or_insert_with(|| self.place(labels));
        self.objects.get(place?)
    }

    /// The place of the oldest object that selects these labels.
    fn place(&self, labels: &Labels) -> Option<usize> {
        let lists = labels
            .iter()
            .filter_map(|(name, value)| self.by_label.get(name)?.get(value));
        let selects = |place: &usize| {
            let object = self.objects.get(*place);
            object.is_some_and(|object| object.selector.select(labels))
        };
        let firsts = lists.filter_map(|list| list.iter().copied().find(selects));
        firsts.min()
    }
}

fn by_label(objects: &[PeerAuthentication]) -> BTreeMap<String, BTreeMap<String, Vec<usize>>> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for label in objects.iter().flat_map(|object| object.selector.iter()) {
        *counts.entry(label).or_default() += 1;
    }
    let mut all: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (place, object) in objects.iter().enumerate() {
        let labels = object.selector.iter();
        let rarest = labels.min_by_key(|label| counts.get(label).copied());
        if let Some((name, value)) = rarest {
            let of_name = all.entry(name.to_owned()).or_default();
            of_name.entry(value.to_owned()).or_default().push(place);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::objects::Meta;

    fn labels(labels: &[(&str, &str)]) -> Labels {
        labels.iter().copied().collect()
    }

    fn object(created: i64, name: &str, selector: &[(&str, &str)]) -> PeerAuthentication {
        PeerAuthentication {
            meta: Meta {
                key: Key::new("shop", name),
                created,
            },
            selector: labels(selector),
            mode: None,
            ports: BTreeMap::new(),
        }
    }

    fn name(found: Option<&PeerAuthentication>) -> Option<&str> {
        found.map(|object| &*object.meta.key.name)
    }

    #[test]
    fn the_oldest_that_selects_a_pod_is_found_by_any_of_its_labels() {
        let all = OfNamespace::new(vec![
            object(4, "web", &[("app", "web")]),
            object(3, "v1", &[("app", "web"), ("version", "v1")]),
            object(2, "all", &[]),
            object(1, "db", &[("tier", "db")]),
            object(5, "younger", &[("tier", "db"), ("app", "web")]),
        ]);
        // Twice: what is remembered is the same.
        for _ in 0..2 {
            let found = |own: &[(&str, &str)]| name(all.of_pods(&labels(own))).map(str::to_owned);
            assert_eq!(found(&[("app", "web")]).as_deref(), Some("web"));
            let v1 = [("app", "web"), ("version", "v1"), ("x", "y")];
            assert_eq!(found(&v1).as_deref(), Some("v1"));
            let both = [("app", "web"), ("tier", "db"), ("version", "v1")];
            assert_eq!(found(&both).as_deref(), Some("db"));
            assert_eq!(found(&[("version", "v1")]), None);
            assert_eq!(found(&[]), None);
        }
        assert_eq!(name(all.of_all()), Some("all"));
    }

    /// A namespace may have as many as the API server stores.
    #[test]
    fn of_too_many_the_oldest_are_there() {
        let mut objects = vec![object(2_000, "all", &[])];
        let apps: Vec<_> = (0..=SELECTING).map(|number| number.to_string()).collect();
        objects.extend(
            (0..)
                .zip(&apps)
                .map(|(age, app)| object(age, app, &[("app", app.as_str())])),
        );
        let all = OfNamespace::new(objects);
        assert_eq!(all.objects().len(), SELECTING + 1);
        let [left_out] = all.left_out() else {
            panic!("{:?}", all.left_out());
        };
        assert_eq!(*left_out.name, *SELECTING.to_string());
        assert_eq!(name(all.of_pods(&labels(&[("app", "999")]))), Some("999"));
        assert_eq!(name(all.of_pods(&labels(&[("app", "1000")]))), None);
        // One for all pods is there, however old it is.
        assert_eq!(name(all.of_all()), Some("all"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let all = OfNamespace::new(vec![object(1, "web", &[("app", "web")])]);
        for number in 0..REMEMBERED + 10 {
            let number = number.to_string();
            let own = labels(&[("app", "web"), ("number", number.as_str())]);
            assert_eq!(name(all.of_pods(&own)), Some("web"));
        }
        assert!(all.known.lock().unwrap().places.len() <= REMEMBERED);
    }
}
