//! DestinationRules for what does not exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::labelled::Labelled;
use crate::model::{
    build::first::First,
    finding::{Finding, Kind, Problem},
    hosts::is_wildcard,
    index::Index,
    objects::Labels,
    rules::{DestinationRule, HostRules},
    world::{Destination, Resolution, World},
};

/// DestinationRules for hosts that don't exist, and subsets that no endpoint is in.
pub(super) fn without_effect(world: &World, index: &Index, findings: &mut Vec<Finding>) {
    let aliases = world.aliases.iter();
    let aliases: BTreeMap<&str, &str> = aliases
        .map(|alias| (&*alias.host, &*alias.target))
        .collect();
    // Many rules may be for the same.
    let mut endpoints = BTreeMap::new();
    let rules = world.destination_rules.values();
    for rule in rules.flat_map(HostRules::by_host).flatten() {
        let host = &*rule.host;
        // A wildcard is for whatever may come.
        if is_wildcard(host) {
            continue;
        }
        let mut tell = |problem, message| {
            let key = &rule.meta.key;
            findings.push(Finding::new(Kind::DestinationRule, key, problem, message));
        };
        let destinations = destinations(world, rule);
        if destinations.is_empty() {
            let alias = aliases.get(host).copied();
            tell(Problem::MissingHost, missing(host, alias));
            continue;
        }
        let sets = |to: &Arc<Destination>| (Arc::clone(&to.host), to.service.clone());
        for &to in &destinations {
            let new = || labels_of_endpoints(index, to);
            endpoints.entry(sets(to)).or_insert_with(new);
        }
        let labels = destinations
            .iter()
            .filter_map(|to| endpoints.get(&sets(to)));
        if let Some(message) = empty_subsets(rule, &labels.collect::<Vec<_>>()) {
            tell(Problem::EmptySubset, message);
        }
    }
}

/// The destinations of a rule's host for which it may hold: what clients of its namespace see, or
/// what is in this, and everything, if it is the root namespace.
fn destinations<'a>(world: &'a World, rule: &DestinationRule) -> Vec<&'a Arc<Destination>> {
    let namespace = &rule.meta.key.namespace;
    let all = world.destinations_of(&rule.host).iter();
    let may_hold = all.filter(|to| {
        to.export_to.includes(namespace)
            || to.meta.key.namespace == *namespace
            || world.mesh.root_namespace == *namespace
    });
    may_hold.collect()
}

fn missing(host: &str, alias: Option<&str>) -> String {
    match alias {
        Some(target) => format!(
            "{host} is an ExternalName Service, another name of {target}: this rule has no effect. \
             Use {target} as its host"
        ),
        None => format!(
            "there is no Service or ServiceEntry {host} that this namespace sees: this rule has no \
             effect. Correct its host, or create one of these"
        ),
    }
}

/// The different labels of a destination's endpoints. None for those that are wherever the client
/// calls, for pods that are not known, and where there are no endpoints.
fn labels_of_endpoints<'a>(index: &'a Index, to: &'a Destination) -> Labelled<'a> {
    let mut sets: BTreeSet<&Labels> = BTreeSet::new();
    if to.resolution != Resolution::Passthrough {
        let slices = index.slices(&to.service);
        let slices = slices.filter(|_| to.external.is_none());
        let pods = slices.flat_map(|slice| &slice.endpoints);
        let pods = pods.filter_map(|endpoint| index.pod(endpoint.pod.as_ref()?));
        sets.extend(pods.map(|pod| &pod.labels));
        let ports = to.external.iter().flat_map(|external| &external.ports);
        sets.extend(ports.flat_map(|(_, all)| all).map(|(labels, _)| labels));
    }
    let mut labelled = Labelled::default();
    sets.into_iter().for_each(|set| labelled.add(set));
    labelled
}

/// What to tell of subsets that none of these endpoints is in, if there are any endpoints.
fn empty_subsets(rule: &DestinationRule, endpoints: &[&Labelled<'_>]) -> Option<String> {
    if endpoints.iter().all(|labelled| labelled.is_empty()) {
        return None;
    }
    let is_empty = |labels: &Labels| {
        let mut all = endpoints.iter();
        all.all(|labelled| labelled.selected(labels).next().is_none())
    };
    let subsets = rule.subsets.iter().filter(|subset| {
        let labels = subset.labels.clone().into_iter().collect();
        is_empty(&labels)
    });
    let mut subsets = subsets.peekable();
    subsets.peek()?;
    let mut names = First::default();
    subsets.for_each(|subset| names.add(&subset.name));
    Some(format!(
        "no endpoint of {} has the labels of the subset {names}: requests that are sent there get \
         503. Use labels that the endpoints' pods have",
        rule.host
    ))
}
