//! What differs between two sets of resources.

use std::{
    cmp::Ordering,
    collections::btree_map::Iter,
    iter::{Peekable, Take},
    sync::Arc,
};

use crate::{Layers, Resource, Resources};

/// The names of what may differ. Walks through both sets at once, layer by layer, and does not
/// compare what they share. A name may come twice, and a resource that has become a client's own,
/// or is shared now, may be among them although it is the same.
pub(super) fn differences<'a>(
    before: &'a Layers,
    after: &'a Layers,
) -> impl Iterator<Item = &'a Arc<str>> {
    let shared = of_layer(before.shared(), after.shared());
    shared.chain(of_layer(before.own(), after.own()))
}

fn of_layer<'a>(before: &'a Resources, after: &'a Resources) -> Differences<'a> {
    let is_same = Arc::ptr_eq(before, after);
    let sorted = |layer: &'a Resources| layer.iter().take(if is_same { 0 } else { layer.len() });
    Differences {
        before: sorted(before).peekable(),
        after: sorted(after).peekable(),
    }
}

type Sorted<'a> = Peekable<Take<Iter<'a, Arc<str>, Arc<Resource>>>>;

struct Differences<'a> {
    before: Sorted<'a>,
    after: Sorted<'a>,
}

impl<'a> Iterator for Differences<'a> {
    type Item = &'a Arc<str>;

    fn next(&mut self) -> Option<&'a Arc<str>> {
        loop {
            let order = match (self.before.peek(), self.after.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((_, old)), Some((_, new))) if Arc::ptr_eq(old, new) => Ordering::Equal,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = if order.is_le() {
                self.before.next()
            } else {
                None
            };
            let new = if order.is_ge() {
                self.after.next()
            } else {
                None
            };
            let name = old.or(new)?.0;
            let (before, after) = (old.map(|(_, it)| it), new.map(|(_, it)| it));
            let equal = match (before, after) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, new) || old.version == new.version,
                _ => false,
            };
            if !equal {
                return Some(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::Any;

    use super::*;
    use crate::resources;

    fn set(names: &[(&str, &'static str)]) -> Layers {
        let all = resources(names.iter().map(|(name, value)| {
            Resource::new(
                *name,
                Any {
                    type_url: "t".to_owned(),
                    value: value.as_bytes().into(),
                },
            )
        }));
        all.into()
    }

    #[test]
    fn finds_what_came_went_and_changed() {
        let before = set(&[("a", "1"), ("b", "1"), ("d", "1"), ("e", "1")]);
        let after = set(&[("b", "1"), ("c", "1"), ("d", "2"), ("f", "1")]);
        let found: Vec<_> = differences(&before, &after).map(|name| &**name).collect();
        assert_eq!(found, ["a", "c", "d", "e", "f"]);
    }

    #[test]
    fn finds_nothing_in_equal_sets() {
        let before = set(&[("a", "1"), ("b", "1")]);
        assert_eq!(differences(&before, &before.clone()).count(), 0);
        assert_eq!(
            differences(&before, &set(&[("a", "1"), ("b", "1")])).count(),
            0
        );
    }
}
