//! DestinationRules for what does not exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pillion_api::Subset;

use super::{
    labelled::Labelled,
    unknown::{self, Aliases},
};
use crate::model::{
    build::first::First,
    finding::{Finding, Kind, Problem},
    hosts::is_wildcard,
    index::Index,
    objects::Labels,
    rules::{DestinationRule, HostRules},
    world::{Destination, Resolution, World},
};

/// DestinationRules for hosts that don't exist, and subsets that VirtualServices route to and no
/// endpoint is in. Others cost nobody a request: they may be for what is yet to come.
pub(super) fn without_effect(
    world: &World,
    index: &Index,
    aliases: &Aliases<'_>,
    findings: &mut Vec<Finding>,
) {
    let routed = routed(world, aliases);
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
        let destinations = destinations(world, rule, host);
        if destinations.is_empty() {
            let target = aliases.target(host);
            let target = target.map(|to| (to, !self::destinations(world, rule, to).is_empty()));
            tell(Problem::UnknownRuleHost, missing(host, target));
            continue;
        }
        let subsets = rule.subsets.iter();
        let subsets: Vec<_> = subsets
            .filter(|subset| routed.contains(&(host, &*subset.name)))
            .collect();
        if subsets.is_empty() {
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
        if let Some(message) = empty_subsets(host, &subsets, &labels.collect::<Vec<_>>()) {
            tell(Problem::EmptySubset, message);
        }
    }
}

/// The subsets that VirtualServices route to, and their hosts.
fn routed<'a>(world: &'a World, aliases: &Aliases<'a>) -> BTreeSet<(&'a str, &'a str)> {
    let rules = world.virtual_services.iter();
    let targets = rules.flat_map(|rules| rules.targets());
    let targets = targets.filter(|target| !target.subset.is_empty());
    let targets = targets.map(|target| {
        let host = &*target.host;
        (aliases.target(host).unwrap_or(host), &*target.subset)
    });
    targets.collect()
}

/// The destinations of a host for which a rule may hold: what clients of its namespace see, or what
/// is in this, and everything, if it is the root namespace.
fn destinations<'a>(
    world: &'a World,
    rule: &DestinationRule,
    host: &str,
) -> Vec<&'a Arc<Destination>> {
    let namespace = &rule.meta.key.namespace;
    let all = world.destinations_of(host).iter();
    let may_hold = all.filter(|to| {
        to.export_to.includes(namespace)
            || to.meta.key.namespace == *namespace
            || world.mesh.root_namespace == *namespace
    });
    may_hold.collect()
}

/// What to tell of a host that is no destination. An ExternalName Service has a target, which may be
/// a destination.
fn missing(host: &str, target: Option<(&str, bool)>) -> String {
    match target {
        Some((target, true)) => format!(
            "{host} is an ExternalName Service, another name of {target}: this rule has no effect. \
             Use {target} as its host"
        ),
        Some((target, false)) => format!(
            "{}: this rule has no effect. Correct its externalName, or create a ServiceEntry for \
             {target}, and use {target} as this rule's host",
            unknown::target(host, target)
        ),
        None => format!(
            "{}: this rule has no effect. Correct its host, or create one of these",
            unknown::host(host)
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

/// What to tell of those of a host's subsets that none of these endpoints is in, if there are any
/// endpoints.
fn empty_subsets(host: &str, subsets: &[&Subset], endpoints: &[&Labelled<'_>]) -> Option<String> {
    if endpoints.iter().all(|labelled| labelled.is_empty()) {
        return None;
    }
    let is_empty = |labels: &Labels| {
        let mut all = endpoints.iter();
        all.all(|labelled| labelled.selected(labels).next().is_none())
    };
    let subsets = subsets.iter().filter(|subset| {
        let labels = subset.labels.clone().into_iter().collect();
        is_empty(&labels)
    });
    let mut subsets = subsets.peekable();
    subsets.peek()?;
    let mut names = First::default();
    subsets.for_each(|subset| names.add(&subset.name));
    Some(format!(
        "no endpoint of {host} has the labels of {}: requests that VirtualServices send there get \
         503. Use labels that the endpoints' pods have",
        names.of("subset")
    ))
}
