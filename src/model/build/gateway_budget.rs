//! How much the route tables of a gateway may have: each host, each table, and all together.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    budget::{self, HOST_ROUTES, REFUSAL, VIEW_BYTES, finding},
    fair::{Wish, unmet},
    first::First,
    gateway_hosts::{Chosen, Hosts},
};
use crate::model::{
    finding::{Finding, Kind},
    objects::Key,
    rules::VirtualService,
};

/// A part of a table.
#[derive(Clone, Copy)]
struct Weighed<'a> {
    port: u16,
    index: usize,
    rules: &'a VirtualService,
    /// About the bytes of its routes.
    bytes: usize,
    /// About the bytes of what refuses requests if they are left out, which is no more.
    refusals: usize,
}

/// Leaves out what is too much for the tables, which are by their ports. Returns what the owners are
/// told, in whose sentences the gateway has this name.
pub(super) fn bound(gateway: &str, tables: &mut BTreeMap<u16, Hosts<'_>>) -> Vec<Finding> {
    let mut of_hosts: BTreeMap<Key, First> = BTreeMap::new();
    let mut of_tables: BTreeMap<Key, BTreeSet<u16>> = BTreeMap::new();
    let mut all = Vec::new();
    for (port, hosts) in tables.iter_mut() {
        let by_age = by_age(hosts);
        for (rules, domain) in bound_hosts(hosts, &by_age) {
            of_hosts.entry(rules).or_default().add(domain);
        }
        let parts = weigh(*port, hosts, &by_age);
        let left_out = too_much(hosts, &parts);
        for (place, part) in parts.into_iter().enumerate() {
            if left_out.contains(&place) {
                leave_out(hosts, part, &mut of_tables);
            } else {
                all.push(part);
            }
        }
    }
    // The ports are in turn among those of the same age.
    all.sort_by(|one, other| one.rules.meta.order(&other.rules.meta));
    for place in unmet(wishes(&all, |part| part.bytes), VIEW_BYTES) {
        let Some(part) = all.get(place) else {
            continue;
        };
        if let Some(hosts) = tables.get_mut(&part.port) {
            leave_out(hosts, *part, &mut of_tables);
        }
    }
    findings(gateway, &of_tables, &of_hosts)
}

/// Has the youngest VirtualServices refuse requests at hosts that have too many routes. Returns these
/// VirtualServices with their hosts.
fn bound_hosts(hosts: &mut Hosts<'_>, by_age: &[usize]) -> Vec<(Key, String)> {
    let parts = &hosts.parts;
    let routes = |part: usize| parts.get(part).map_or(0, |part| part.weight.routes);
    let mut left_out = Vec::new();
    for (domain, host) in &mut hosts.hosts {
        let all = host.parts.iter().map(|part| routes(part.index));
        if all.sum::<usize>() <= HOST_ROUTES {
            continue;
        }
        let own: BTreeSet<usize> = host.parts.iter().map(|part| part.index).collect();
        // One is for the refusal.
        let most = HOST_ROUTES - 1;
        let mut count = 0;
        for index in by_age.iter().filter(|index| own.contains(index)) {
            if count + routes(*index) <= most {
                count += routes(*index);
                continue;
            }
            for part in host.parts.iter_mut().filter(|part| part.index == *index) {
                part.is_left_out = true;
            }
            let rules = parts.get(*index).map(|part| part.rules.meta.key.clone());
            left_out.extend(rules.map(|rules| (rules, domain.to_string())));
        }
    }
    left_out
}

/// The indexes of the parts, the oldest VirtualService's first.
fn by_age(hosts: &Hosts<'_>) -> Vec<usize> {
    let mut parts: Vec<_> = hosts.parts.iter().enumerate().collect();
    parts.sort_by(|(_, one), (_, other)| one.rules.meta.order(&other.rules.meta));
    parts.into_iter().map(|(index, _)| index).collect()
}

/// The sets of parts whose routes are joined.
fn sets<'b>(hosts: &'b Hosts<'_>) -> BTreeSet<&'b [Chosen]> {
    hosts.hosts.values().map(|host| &*host.parts).collect()
}

/// The parts that some host has, the oldest first: each counts once for each set that it is joined in.
fn weigh<'a>(port: u16, hosts: &Hosts<'a>, by_age: &[usize]) -> Vec<Weighed<'a>> {
    let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
    for part in sets(hosts).into_iter().flatten() {
        *copies.entry(part.index).or_default() += usize::from(!part.is_left_out);
    }
    let parts = by_age.iter().filter_map(|index| {
        let part = hosts.parts.get(*index)?;
        let copies = copies.get(index)?;
        Some(Weighed {
            port,
            index: *index,
            rules: part.rules,
            bytes: part.weight.bytes.saturating_mul(*copies),
            refusals: part.weight.bytes.min(REFUSAL).saturating_mul(*copies),
        })
    });
    parts.collect()
}

fn wishes<'b>(
    parts: &'b [Weighed<'_>],
    bytes: fn(&Weighed<'_>) -> usize,
) -> impl Iterator<Item = Wish<'b>> {
    parts.iter().enumerate().map(move |(index, part)| Wish {
        index,
        namespace: &part.rules.meta.key.namespace,
        bytes: bytes(part),
    })
}

/// Which of its parts a table has no room for.
fn too_much(hosts: &Hosts<'_>, parts: &[Weighed<'_>]) -> BTreeSet<usize> {
    let own = hosts.hosts.keys().map(|host| budget::of_host(host));
    // A part takes room for its refusals, or for its routes.
    let refusals = parts.iter().map(|part| part.refusals);
    let most = budget::for_rules(own.sum()).saturating_sub(refusals.sum());
    unmet(wishes(parts, |part| part.bytes - part.refusals), most)
}

fn leave_out(hosts: &mut Hosts<'_>, part: Weighed<'_>, told: &mut BTreeMap<Key, BTreeSet<u16>>) {
    if let Some(own) = hosts.parts.get_mut(part.index) {
        own.is_left_out = true;
    }
    let rules = part.rules.meta.key.clone();
    told.entry(rules).or_default().insert(part.port);
}

fn findings(
    gateway: &str,
    of_tables: &BTreeMap<Key, BTreeSet<u16>>,
    of_hosts: &BTreeMap<Key, First>,
) -> Vec<Finding> {
    let tables = of_tables.iter().map(|(key, ports)| {
        let mut first = First::default();
        ports.iter().for_each(|port| first.add(port));
        let message = format!(
            "{gateway} ignores this VirtualService's HTTP routes at port {first}, and answers requests \
             for its hosts that no other VirtualService routes there with 503: {}. Use fewer routes \
             there, or hosts that share no wildcard with those of others",
            budget::excess("gateway", &key.namespace)
        );
        finding(Kind::VirtualService, key, message)
    });
    let hosts = of_hosts.iter().map(|(key, hosts)| {
        let message = format!(
            "{gateway} ignores this VirtualService's HTTP routes for {hosts}, and answers requests \
             that no other VirtualService routes there with 503: a host takes {HOST_ROUTES} \
             routes, with those of older VirtualServices"
        );
        finding(Kind::VirtualService, key, message)
    });
    tables.chain(hosts).collect()
}
