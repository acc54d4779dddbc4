//! The virtual hosts of a gateway's route table.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    budget::{self, HOST_ROUTES, VIEW_BYTES, finding},
    fair::{Wish, unmet},
    first::First,
    http_routes::{catch_all_last, of_rules},
    view::View,
};
use crate::model::{
    finding::{Finding, Kind},
    objects::Key,
    routes::{Route, Routes, VirtualHost},
    rules::{Place, Server, VirtualService, Weight, Weights},
};

/// How much all tables of a gateway may have.
pub(super) struct Budget {
    /// Whose tables they are, for people.
    gateway: String,
    /// About the bytes of the routes so far.
    bytes: usize,
    /// The ports in whose tables VirtualServices are left out.
    ports: BTreeMap<Key, First>,
    /// The hosts of which VirtualServices are left out.
    hosts: BTreeMap<Key, First>,
}

/// The virtual hosts of a table, by their domain: each has its own, since each may get the
/// routes of other VirtualServices.
#[derive(Default)]
pub(super) struct Hosts<'a> {
    hosts: BTreeMap<Arc<str>, Host>,
    /// The VirtualServices at their places, whose routes many hosts may have.
    parts: Vec<Part<'a>>,
}

struct Part<'a> {
    rules: &'a VirtualService,
    place: Place<'a>,
    weight: Weight,
}

struct Host {
    /// The port of the server that it is first of.
    port: u16,
    /// The indexes of its parts, each once.
    parts: Vec<Chosen>,
    https_redirect: bool,
}

/// A part of a host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Chosen {
    index: usize,
    /// Whether requests are refused instead: the host has too many routes.
    is_left_out: bool,
}

impl Budget {
    /// Nothing so far, of the tables of this gateway.
    pub fn new(gateway: String) -> Self {
        Self {
            gateway,
            bytes: 0,
            ports: BTreeMap::new(),
            hosts: BTreeMap::new(),
        }
    }

    /// What the owners of rules are told that are left out.
    pub fn findings(self) -> Vec<Finding> {
        let gateway = &self.gateway;
        let tables = self.ports.iter().map(|(key, ports)| {
            let message = format!(
                "{gateway} ignores this VirtualService's HTTP routes at port {ports}, and answers \
                 requests for its hosts there with 503: {}. Use fewer routes there, or hosts that share \
                 no wildcard with those of others",
                budget::excess("gateway", &key.namespace)
            );
            finding(Kind::VirtualService, key, message)
        });
        let hosts = self.hosts.iter().map(|(key, hosts)| {
            let message = format!(
                "{gateway} ignores this VirtualService's HTTP routes for {hosts}, and answers requests \
                 that no other VirtualService routes there with 503: a host takes {HOST_ROUTES} \
                 routes, with those of older VirtualServices"
            );
            finding(Kind::VirtualService, key, message)
        });
        tables.chain(hosts).collect()
    }
}

impl<'a> Hosts<'a> {
    /// Adds a VirtualService that has routes at a place.
    pub fn part(&mut self, rules: &'a VirtualService, place: Place<'a>) -> usize {
        // The place has one port, so that only routes of this one hold.
        let weights = Weights::new(&rules.http, |statics| statics.hold_for_http(place));
        self.parts.push(Part {
            rules,
            place,
            weight: weights.at(place.port),
        });
        self.parts.len() - 1
    }

    /// Adds a host of a server, which may have the routes of a part.
    pub fn add(&mut self, domain: &Arc<str>, server: &Server, part: Option<usize>) {
        let host = self
            .hosts
            .entry(Arc::clone(domain))
            .or_insert_with(|| Host {
                port: server.port,
                parts: Vec::new(),
                https_redirect: false,
            });
        let chosen = part.map(|index| Chosen {
            index,
            is_left_out: false,
        });
        if let Some(chosen) = chosen.filter(|chosen| !host.parts.contains(chosen)) {
            host.parts.push(chosen);
        }
        host.https_redirect |= server.https_redirect;
    }

    /// The virtual hosts. Those of the same VirtualServices share their routes.
    pub fn finish(mut self, view: &View, port: u16, budget: &mut Budget) -> Vec<Arc<VirtualHost>> {
        let by_age = self.by_age();
        self.bound_hosts(&by_age, budget);
        let left_out = self.left_out(&by_age, port, budget);
        let Self { hosts, parts } = self;
        // Only of parts that some host has.
        let mut made: BTreeMap<usize, Vec<Route>> = BTreeMap::new();
        let mut joined: BTreeMap<Vec<Chosen>, Arc<Routes>> = BTreeMap::new();
        let hosts = hosts.into_iter().map(|(domain, host)| {
            let routes = joined.entry(host.parts).or_insert_with_key(|own| {
                let mut routes = Vec::new();
                for chosen in own {
                    let Some(part) = parts.get(chosen.index) else {
                        continue;
                    };
                    if chosen.is_left_out || left_out.contains(&chosen.index) {
                        routes.extend(budget::routes(&part.rules.meta.key).routes);
                    } else {
                        let own = made.entry(chosen.index);
                        let own =
                            own.or_insert_with(|| of_rules(view, part.rules, part.place).routes);
                        routes.extend_from_slice(own);
                    }
                }
                let routes = catch_all_last(routes);
                Arc::new(Routes { routes })
            });
            VirtualHost {
                name: format!("{domain}:{}", host.port).into(),
                domains: vec![domain],
                routes: Arc::clone(routes),
                https_redirect: host.https_redirect,
            }
        });
        let mut hosts: Vec<_> = hosts.map(Arc::new).collect();
        hosts.sort_by(|one, other| one.name.cmp(&other.name));
        hosts
    }

    /// The indexes of the parts, the oldest VirtualService's first.
    fn by_age(&self) -> Vec<usize> {
        let mut parts: Vec<_> = self.parts.iter().enumerate().collect();
        parts.sort_by(|(_, one), (_, other)| one.rules.meta.order(&other.rules.meta));
        parts.into_iter().map(|(index, _)| index).collect()
    }

    /// Has the youngest VirtualServices refuse requests at hosts that have too many routes.
    fn bound_hosts(&mut self, by_age: &[usize], budget: &mut Budget) {
        let parts = &self.parts;
        let routes = |part: usize| parts.get(part).map_or(0, |part| part.weight.routes);
        for (domain, host) in &mut self.hosts {
            let all = host.parts.iter().map(|part| routes(part.index));
            if all.sum::<usize>() <= HOST_ROUTES {
                continue;
            }
            let own: BTreeSet<usize> = host.parts.iter().map(|part| part.index).collect();
            // Each that is left out has one route.
            let most = HOST_ROUTES.saturating_sub(own.len());
            let mut count = 0;
            for index in by_age.iter().filter(|index| own.contains(index)) {
                if count + routes(*index) <= most {
                    count += routes(*index);
                    continue;
                }
                for part in host.parts.iter_mut().filter(|part| part.index == *index) {
                    part.is_left_out = true;
                }
                if let Some(part) = parts.get(*index) {
                    let key = part.rules.meta.key.clone();
                    budget.hosts.entry(key).or_default().add(domain);
                }
            }
        }
    }

    /// The parts that are too much: a part counts once for each set of parts that it is joined in.
    fn left_out(&self, by_age: &[usize], port: u16, budget: &mut Budget) -> BTreeSet<usize> {
        let sets: BTreeSet<&[Chosen]> = self.hosts.values().map(|host| &*host.parts).collect();
        let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
        for part in sets.into_iter().flatten() {
            *copies.entry(part.index).or_default() += usize::from(!part.is_left_out);
        }
        let wishes = by_age.iter().filter_map(|index| {
            let part = self.parts.get(*index)?;
            let copies = copies.get(index)?;
            Some(Wish {
                index: *index,
                namespace: &part.rules.meta.key.namespace,
                bytes: part.weight.bytes.saturating_mul(*copies),
            })
        });
        let wishes: Vec<Wish<'_>> = wishes.collect();
        let hosts: usize = self.hosts.keys().map(|host| budget::of_host(host)).sum();
        let most = budget::for_rules(hosts).min(VIEW_BYTES.saturating_sub(budget.bytes));
        let left_out = unmet(wishes.iter().copied(), most);
        let mut keys = BTreeSet::new();
        for wish in wishes {
            if !left_out.contains(&wish.index) {
                budget.bytes = budget.bytes.saturating_add(wish.bytes);
            } else if let Some(part) = self.parts.get(wish.index) {
                keys.insert(&part.rules.meta.key);
            }
        }
        for key in keys {
            budget.ports.entry(key.clone()).or_default().add(port);
        }
        left_out
    }
}
