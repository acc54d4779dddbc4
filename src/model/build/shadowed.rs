//! VirtualServices that route nothing at a host of a gateway, because others come first.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    first::First,
    gateway_hosts::{Hosts, Part},
};
use crate::model::{
    finding::{Finding, Kind, Problem},
    objects::Key,
    routes::RouteMatch,
};

/// A host and the port of its server.
type Site<'a> = (&'a str, u16);

/// What the owner of a VirtualService is told: where it routes nothing, and whose routes come first.
#[derive(Default)]
struct Told<'a> {
    sites: BTreeSet<Site<'a>>,
    owners: BTreeSet<&'a Key>,
}

/// Tells the owners of VirtualServices all of whose routes at a host have the conditions of others that
/// come first. The tables are by their ports; in the sentences, the gateway has this name.
pub(super) fn findings(gateway: &str, tables: &BTreeMap<u16, Hosts<'_>>) -> Vec<Finding> {
    let mut told: BTreeMap<&Key, Told<'_>> = BTreeMap::new();
    for hosts in tables.values() {
        for (parts, domains) in joined(hosts) {
            for (rules, owners) in shadowed(hosts, &parts) {
                let told = told.entry(rules).or_default();
                told.sites.extend(&domains);
                told.owners.extend(owners);
            }
        }
    }
    let told = told.into_iter().map(|(rules, told)| {
        let (mut sites, mut owners) = (First::default(), First::default());
        for (domain, port) in told.sites {
            sites.add(format_args!("{domain}:{port}"));
        }
        told.owners.iter().for_each(|owner| owners.add(owner));
        let message = format!(
            "at {gateway}, this VirtualService has no effect for {sites}: {} {} all its \
             conditions there, and {} first. Use other hosts or conditions, or delete one of them",
            owners.of("VirtualService"),
            owners.verb("has", "have"),
            owners.verb("comes", "come"),
        );
        Finding::new(Kind::VirtualService, rules, Problem::Shadowed, message)
    });
    told.collect()
}

/// The hosts of several parts that have effect, by these.
fn joined<'a>(hosts: &'a Hosts<'_>) -> BTreeMap<Vec<usize>, BTreeSet<Site<'a>>> {
    let mut joined: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (domain, host) in &hosts.hosts {
        let parts = host.parts.iter().filter(|chosen| {
            let part = hosts.parts.get(chosen.index);
            !chosen.is_left_out && part.is_some_and(|part| !part.is_left_out)
        });
        let parts: Vec<usize> = parts.map(|chosen| chosen.index).collect();
        if parts.len() > 1 {
            let site: Site<'_> = (&**domain, host.port);
            joined.entry(parts).or_default().insert(site);
        }
    }
    joined
}

/// The VirtualServices of parts all of whose routes others have, with the others. By several Gateways
/// or servers, a host may have a VirtualService in several parts, with different routes: it has no
/// effect if none of them has a condition of its own.
fn shadowed<'a>(hosts: &'a Hosts<'_>, parts: &[usize]) -> Vec<(&'a Key, BTreeSet<&'a Key>)> {
    let mut first: BTreeMap<Option<&RouteMatch>, &Key> = BTreeMap::new();
    let mut owners: BTreeMap<&Key, BTreeSet<&Key>> = BTreeMap::new();
    for part in parts.iter().filter_map(|part| hosts.parts.get(*part)) {
        let own = &part.rules.meta.key;
        for conditions in conditions(part) {
            let owner = *first.entry(conditions).or_insert(own);
            owners.entry(own).or_default().insert(owner);
        }
    }
    owners.retain(|own, owners| !owners.contains(own));
    owners.into_iter().collect()
}

/// The conditions of a part's routes; `None` for those that every request fulfils, which come after
/// all others.
fn conditions<'a>(part: &Part<'a>) -> Vec<Option<&'a RouteMatch>> {
    let mut all = Vec::new();
    for rule in &part.rules.http {
        if rule.blocks.is_empty() {
            all.push(None);
            return all;
        }
        let blocks = rule.blocks.iter();
        for block in blocks.filter(|block| block.statics.hold_for_http(part.place)) {
            if block.matches.is_catch_all() {
                all.push(None);
                return all;
            }
            all.push(Some(&block.matches));
        }
    }
    all
}
