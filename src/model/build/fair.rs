//! Who does without, where the rules of several namespaces are too much together. Pure.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// What somebody wants to have of something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    /// Which it is, for the caller.
    pub index: usize,
    /// Whose it is.
    pub namespace: &'a str,
    /// About how many bytes it takes.
    pub bytes: usize,
}

/// What a namespace wants.
#[derive(Default)]
struct Namespace {
    bytes: usize,
    /// The indexes and bytes, the oldest first.
    wishes: Vec<(usize, usize)>,
}

/// The indexes of the wishes that can't be met, so that the others take at most this many bytes. The
/// wishes come in their order, the oldest first. The namespace that wants most loses, its youngest
/// wish first: nobody loses because of what another namespace adds, unless it has more.
pub(super) fn unmet<'a>(
    wishes: impl IntoIterator<Item = Wish<'a>>,
    most: usize,
) -> BTreeSet<usize> {
    let mut namespaces: BTreeMap<&str, Namespace> = BTreeMap::new();
    let mut all = 0_usize;
    for wish in wishes {
        let namespace = namespaces.entry(wish.namespace).or_default();
        namespace.bytes = namespace.bytes.saturating_add(wish.bytes);
        namespace.wishes.push((wish.index, wish.bytes));
        all = all.saturating_add(wish.bytes);
    }
    if all <= most {
        return BTreeSet::new();
    }
    let heaviest = namespaces.iter();
    let mut heaviest: BinaryHeap<(usize, &str)> = heaviest
        .map(|(name, namespace)| (namespace.bytes, *name))
        .collect();
    let mut lost = Vec::new();
    while all > most {
        let Some((_, name)) = heaviest.pop() else {
            break;
        };
        let Some(namespace) = namespaces.get_mut(name) else {
            continue;
        };
        let Some((index, bytes)) = namespace.wishes.pop() else {
            continue;
        };
        all = all.saturating_sub(bytes);
        namespace.bytes = namespace.bytes.saturating_sub(bytes);
        if !namespace.wishes.is_empty() {
            heaviest.push((namespace.bytes, name));
        }
        lost.push((index, bytes));
    }
    // Small ones fit where a large one did not.
    let mut unmet = BTreeSet::new();
    for (index, bytes) in lost.into_iter().rev() {
        if all.saturating_add(bytes) <= most {
            all = all.saturating_add(bytes);
        } else {
            unmet.insert(index);
        }
    }
    unmet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmet(wishes: &[(&str, usize)], most: usize) -> Vec<usize> {
        let wishes = wishes.iter().enumerate();
        let wishes = wishes.map(|(index, &(namespace, bytes))| Wish {
            index,
            namespace,
            bytes,
        });
        super::unmet(wishes, most).into_iter().collect()
    }

    #[test]
    fn nobody_loses_while_there_is_room() {
        assert!(unmet(&[("a", 5), ("b", 5)], 10).is_empty());
        assert!(unmet(&[], 0).is_empty());
    }

    #[test]
    fn the_youngest_of_the_heaviest_namespace_loses() {
        let wishes = [
            ("greedy", 4),
            ("greedy", 4),
            ("small", 1),
            ("greedy", 4),
            ("small", 1),
        ];
        assert_eq!(unmet(&wishes, 10), [3]);
        assert_eq!(unmet(&wishes, 9), [1, 3]);
    }

    #[test]
    fn an_older_namespace_does_not_displace_a_smaller_one() {
        let wishes = [("old", 6), ("old", 6), ("young", 3)];
        assert_eq!(unmet(&wishes, 12), [1]);
    }

    #[test]
    fn small_ones_keep_what_a_large_one_leaves() {
        let wishes = [("a", 5), ("a", 5), ("a", 5), ("a", 1)];
        assert_eq!(unmet(&wishes, 14), [2]);
    }

    #[test]
    fn one_that_is_larger_than_all_loses_alone() {
        assert_eq!(unmet(&[("a", 100), ("b", 1)], 10), [0]);
    }
}
