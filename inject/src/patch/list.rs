//! How one list becomes another.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use serde_json::Value;

use crate::pod::CONTAINER_LISTS;

/// The edit of a list: its parts apply in the order of the fields.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Indexes in the original, the highest first.
    pub(super) removed: Vec<usize>,
    /// Indexes in the edited list, the lowest first.
    pub(super) added: Vec<usize>,
    /// Indexes in the edited list whose element takes another's place.
    pub(super) replaced: Vec<usize>,
    /// Elements that stay but may differ inside: index in the original, and
    /// index in the edited list.
    pub(super) kept: Vec<(usize, usize)>,
}

impl Script {
    pub(super) fn between(
        field: &str,
        movable: &HashSet<&str>,
        original: &[Value],
        edited: &[Value],
    ) -> Self {
        let (start, original_end, edited_end) = middle(original, edited);
        let before = &original[start..original_end];
        let after = &edited[start..edited_end];
        if before.is_empty() && after.is_empty() {
            return Self::default();
        }
        let mut script = match (names(field, before), names(field, after)) {
            (Some(before), Some(after)) if CONTAINER_LISTS.contains(&field) => {
                let is_fixed = |name: &str| !movable.contains(name);
                Self::of_kept(kept_around(is_fixed, &before, &after), &before, &after)
            }
            (Some(before), Some(after)) => {
                Self::of_kept(longest_common(&before, &after), &before, &after)
            }
            _ => Self::of_unnamed(before, after),
        };
        script.shift(start);
        script
    }

    /// Compares elements with names: one that stays may differ inside.
    fn of_kept(kept: Vec<(usize, usize)>, before: &[&str], after: &[&str]) -> Self {
        let mut script = Self::default();
        for_each_gap(&kept, before.len(), after.len(), |removed, added| {
            script.removed.extend(removed);
            script.added.extend(added);
        });
        script.removed.reverse();
        script.kept = kept;
        script
    }

    /// Compares elements without names: one that stays is equal, and between two of
    /// those, elements are replaced in place as far as there are pairs.
    fn of_unnamed(before: &[Value], after: &[Value]) -> Self {
        let kept = longest_common(&numbered(before), &numbered(after));
        let mut script = Self::default();
        for_each_gap(
            &kept,
            before.len(),
            after.len(),
            |mut removed, mut added| {
                let pairs = removed.len().min(added.len());
                script.replaced.extend(added.by_ref().take(pairs));
                script.removed.extend(removed.by_ref().skip(pairs));
                script.added.extend(added);
            },
        );
        script.removed.reverse();
        script
    }

    fn shift(&mut self, start: usize) {
        let parts = [&mut self.removed, &mut self.added, &mut self.replaced];
        for index in parts.into_iter().flatten() {
            *index += start;
        }
        for (before, after) in &mut self.kept {
            *before += start;
            *after += start;
        }
    }
}

/// The part between the equal beginning and the equal end: its start in both lists,
/// and its end in each.
fn middle(original: &[Value], edited: &[Value]) -> (usize, usize, usize) {
    let start = original
        .iter()
        .zip(edited)
        .take_while(|(a, b)| a == b)
        .count();
    let end = original[start..]
        .iter()
        .rev()
        .zip(edited[start..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (start, original.len() - end, edited.len() - end)
}

/// The names of the elements, if all of them have one and no two the same.
fn names<'a>(field: &str, elements: &'a [Value]) -> Option<Vec<&'a str>> {
    let key = match field {
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "hostAliases" => "ip",
        _ => "name",
    };
    let names: Vec<&str> = elements
        .iter()
        .map(|element| element.as_object()?.get(key)?.as_str())
        .collect::<Option<_>>()?;
    let places = places(&names);
    (places.len() == names.len()).then_some(names)
}

/// Elements with how many equal ones came before, so that each is unique.
fn numbered(elements: &[Value]) -> Vec<(&Value, usize)> {
    let mut seen: HashMap<&Value, usize> = HashMap::new();
    elements
        .iter()
        .map(|element| {
            let count = seen.entry(element).or_default();
            *count += 1;
            (element, *count)
        })
        .collect()
}

fn places<T: Copy + Eq + Hash>(elements: &[T]) -> HashMap<T, usize> {
    elements
        .iter()
        .enumerate()
        .map(|(index, element)| (*element, index))
        .collect()
}

/// The longest run of unique elements that both lists have in the same order,
/// as pairs of indexes: a longest increasing subsequence, by patience sorting.
fn longest_common<T: Copy + Eq + Hash>(before: &[T], after: &[T]) -> Vec<(usize, usize)> {
    let places = places(before);
    let common: Vec<(usize, usize)> = after
        .iter()
        .enumerate()
        .filter_map(|(index, element)| Some((*places.get(element)?, index)))
        .collect();

    // `ends[n]` ends the best run of length n + 1: the one that ends lowest.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(common.len());
    for (number, (place, _)) in common.iter().enumerate() {
        let length = ends.partition_point(|end| common[*end].0 < *place);
        previous.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(number);
        } else {
            ends[length] = number;
        }
    }

    let mut run = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(number) = next {
        run.push(common[number]);
        next = previous[number];
    }
    run.reverse();
    run
}

/// The elements to keep: all fixed ones, which both lists have in the same order, and
/// as many of the others as fit between them.
fn kept_around(
    is_fixed: impl Fn(&str) -> bool,
    before: &[&str],
    after: &[&str],
) -> Vec<(usize, usize)> {
    let places = places(before);
    let fixed: Vec<(usize, usize)> = after
        .iter()
        .enumerate()
        .filter(|(_, name)| is_fixed(name))
        .filter_map(|(index, name)| Some((*places.get(name)?, index)))
        .collect();
    if !fixed.is_sorted_by(|one, next| one.0 < next.0) {
        return longest_common(before, after);
    }
    let mut kept = Vec::with_capacity(before.len());
    let mut next = fixed.iter();
    for_each_gap(&fixed, before.len(), after.len(), |from, to| {
        let between = longest_common(&before[from.clone()], &after[to.clone()]);
        kept.extend(
            between
                .into_iter()
                .map(|(place, index)| (from.start + place, to.start + index)),
        );
        kept.extend(next.next());
    });
    kept
}

/// Calls `visit` with each range between kept elements, in both lists.
fn for_each_gap(
    kept: &[(usize, usize)],
    before: usize,
    after: usize,
    mut visit: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>),
) {
    let (mut from, mut to) = (0, 0);
    for &(stop_before, stop_after) in kept.iter().chain([&(before, after)]) {
        visit(from..stop_before, to..stop_after);
        (from, to) = (stop_before + 1, stop_after + 1);
    }
}
