//! What differs between two sets of resources.

use std::{cmp::Ordering, collections::btree_map::Iter, iter::Peekable, sync::Arc};

use crate::{Resource, Resources};

/// A resource as it was, and as it is; one of the two may be missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Difference<'a> {
    pub(super) name: &'a Arc<str>,
    pub(super) before: Option<&'a Arc<Resource>>,
}

/// Walks through both sets at once. What they share is not compared.
pub(super) fn differences<'a>(
    before: &'a Resources,
    after: &'a Resources,
) -> impl Iterator<Item = Difference<'a>> {
    Differences {
        before: before.iter().peekable(),
        after: after.iter().peekable(),
    }
}

type Sorted<'a> = Peekable<Iter<'a, Arc<str>, Arc<Resource>>>;

struct Differences<'a> {
    before: Sorted<'a>,
    after: Sorted<'a>,
}

impl<'a> Iterator for Differences<'a> {
    type Item = Difference<'a>;

    fn next(&mut self) -> Option<Difference<'a>> {
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
                return Some(Difference { name, before });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::Any;

    use super::*;
    use crate::resources;

    fn set(names: &[(&str, &'static str)]) -> Resources {
        resources(names.iter().map(|(name, value)| {
            Resource::new(
                *name,
                Any {
                    type_url: "t".to_owned(),
                    value: value.as_bytes().into(),
                },
            )
        }))
    }

    #[test]
    fn finds_what_came_went_and_changed() {
        let before = set(&[("a", "1"), ("b", "1"), ("d", "1"), ("e", "1")]);
        let after = set(&[("b", "1"), ("c", "1"), ("d", "2"), ("f", "1")]);
        let found: Vec<_> = differences(&before, &after)
            .map(|one| (&**one.name, one.before.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("a", true),
                ("c", false),
                ("d", true),
                ("e", true),
                ("f", false)
            ]
        );
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
