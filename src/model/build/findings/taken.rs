//! Objects for pods that older ones of their kind leave nothing for, or that have no pods.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::labelled::Labelled;
use crate::model::{
    build::first::First,
    finding::{Finding, Kind, Problem},
    index::Index,
    objects::{Key, Labels},
};

/// How many different labels of pods all selectors of a namespace are compared with. Nothing is said
/// of what the others select.
const LOOKED_AT: usize = 65_536;

/// An object, and the labels of its pods; none: all of the namespace.
pub(super) type Selecting<'a> = (&'a Key, &'a Labels);

/// Of the objects of a kind in a namespace, the oldest first, those that have no effect: only the
/// oldest one for all pods and for a pod holds.
pub(super) fn by_older(
    kind: Kind,
    index: &Index,
    namespace: &Arc<str>,
    objects: &[Selecting<'_>],
    findings: &mut Vec<Finding>,
) {
    let mut tell = |key: &Key, problem, message| {
        findings.push(Finding::new(kind, key, problem, message));
    };
    taken_namespace(kind, objects, &mut tell);
    taken_pods(kind, index, namespace, objects, &mut tell);
}

/// Those that are for a whole namespace, as an older one is.
fn taken_namespace(
    kind: Kind,
    objects: &[Selecting<'_>],
    tell: &mut impl FnMut(&Key, Problem, String),
) {
    let mut all = objects.iter().filter(|(_, selector)| selector.is_empty());
    let Some((owner, _)) = all.next() else { return };
    for (key, _) in all {
        let message = format!(
            "the older {kind} {owner} is for all pods of the namespace, too: this one is ignored. Put \
             what they say into one, or give this one a selector"
        );
        tell(key, Problem::NamespaceTaken, message);
    }
}

/// Those whose pods an older one has, or that have no pods.
fn taken_pods(
    kind: Kind,
    index: &Index,
    namespace: &Arc<str>,
    objects: &[Selecting<'_>],
    tell: &mut impl FnMut(&Key, Problem, String),
) {
    let mut selecting = objects
        .iter()
        .filter(|(_, selector)| !selector.is_empty())
        .peekable();
    if selecting.peek().is_none() {
        return;
    }
    // Of pods that are equal, one is enough.
    let mut pods: BTreeMap<&Labels, &Key> = BTreeMap::new();
    for pod in index.pods_in(namespace) {
        pods.entry(&pod.labels).or_insert(&pod.key);
    }
    let mut labelled = Labelled::default();
    pods.keys().for_each(|labels| labelled.add(labels));
    let names: Vec<&Key> = pods.into_values().collect();
    let mut owners: BTreeMap<usize, &Key> = BTreeMap::new();
    let mut by_selector: BTreeMap<&Labels, &Key> = BTreeMap::new();
    let mut left = LOOKED_AT;
    for &(key, selector) in selecting {
        if let Some(owner) = by_selector.get(selector) {
            let message = format!(
                "the older {kind} {owner} has the same selector: this one is ignored. Put what \
                 they say into one"
            );
            tell(key, Problem::PodsTaken, message);
            continue;
        }
        by_selector.insert(selector, key);
        let mut is_empty = true;
        let mut taken = First::default();
        let mut by = BTreeSet::new();
        for number in labelled.selected(selector).take(left) {
            is_empty = false;
            left -= 1;
            let owner = *owners.entry(number).or_insert(key);
            if owner != key {
                by.insert(owner);
                names.get(number).into_iter().for_each(|pod| taken.add(pod));
            }
        }
        if is_empty && left > 0 {
            let labels = First::of_labels(selector);
            let message = format!(
                "the selector {labels} selects no pod of the namespace that has an address yet. \
                 Unless its pods are starting, use labels that they have"
            );
            tell(key, Problem::NoPods, message);
        }
        if !taken.is_empty() {
            let mut older = First::default();
            by.into_iter().for_each(|owner| older.add(owner));
            let message = format!(
                "this one is ignored for pods that an older {kind} ({older}) selects, too, such as \
                 {taken}. Change the selectors so that one selects a pod"
            );
            tell(key, Problem::PodsTaken, message);
        }
    }
}
