//! The virtual hosts of a gateway's route table.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    budget::{self, HOST_ROUTES, TABLE_BYTES, VIEW_BYTES, finding},
    http_routes::{catch_all_last, of_rules},
    view::View,
};
use crate::model::{
    finding::{Finding, Kind},
    routes::{Route, Routes, VirtualHost},
    rules::{Place, Server, VirtualService},
};

/// How much all tables of a gateway may have.
pub(super) struct Budget {
    /// Whose tables they are, for people.
    gateway: String,
    /// About the bytes of the routes so far.
    bytes: usize,
    /// What the owners of rules are told that are left out.
    pub left_out: Vec<Finding>,
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
}

struct Host {
    /// The port of the server that it is first of.
    port: u16,
    /// The indexes of its parts, each once.
    parts: Vec<usize>,
    https_redirect: bool,
}

impl Budget {
    /// Nothing so far, of the tables of this gateway.
    pub fn new(gateway: String) -> Self {
        Self {
            gateway,
            bytes: 0,
            left_out: Vec::new(),
        }
    }

    fn leave_out(&mut self, rules: &VirtualService, message: String) {
        let finding = finding(Kind::VirtualService, &rules.meta.key, message);
        self.left_out.push(finding);
    }
}

impl<'a> Hosts<'a> {
    /// Adds a VirtualService that has routes at a place.
    pub fn part(&mut self, rules: &'a VirtualService, place: Place<'a>) -> usize {
        self.parts.push(Part { rules, place });
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
        if let Some(part) = part.filter(|part| !host.parts.contains(part)) {
            host.parts.push(part);
        }
        host.https_redirect |= server.https_redirect;
    }

    /// The virtual hosts. Those of the same VirtualServices share their routes.
    pub fn finish(mut self, view: &View, port: u16, budget: &mut Budget) -> Vec<Arc<VirtualHost>> {
        let by_age = self.by_age();
        self.bound_hosts(&by_age, budget);
        let left_out = self.left_out(&by_age, port, budget);
        let parts = self.parts.iter().enumerate().map(|(index, part)| {
            if left_out.contains(&index) {
                budget::routes(&part.rules.meta.key).routes
            } else {
                of_rules(view, part.rules, part.place).routes
            }
        });
        let parts: Vec<Vec<Route>> = parts.collect();
        let mut joined: BTreeMap<Vec<usize>, Arc<Routes>> = BTreeMap::new();
        let hosts = self.hosts.into_iter().map(|(domain, host)| {
            let routes = joined.entry(host.parts).or_insert_with_key(|own| {
                let own = own.iter().filter_map(|part| parts.get(*part));
                let routes = catch_all_last(own.flatten().cloned().collect());
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

    /// Takes the youngest VirtualServices from hosts that have too many routes.
    fn bound_hosts(&mut self, by_age: &[usize], budget: &mut Budget) {
        let parts = &self.parts;
        let routes = |part: usize| {
            parts
                .get(part)
                .map_or(0, |part| part.rules.http_weight.routes)
        };
        for (domain, host) in &mut self.hosts {
            let all = host.parts.iter().map(|part| routes(*part));
            if all.sum::<usize>() <= HOST_ROUTES {
                continue;
            }
            let own: BTreeSet<usize> = host.parts.iter().copied().collect();
            let mut count = 0;
            for index in by_age.iter().filter(|index| own.contains(index)) {
                count += routes(*index);
                if count <= HOST_ROUTES {
                    continue;
                }
                count -= routes(*index);
                host.parts.retain(|part| part != index);
                if let Some(part) = parts.get(*index) {
                    let message = format!(
                        "the routes are left out for {domain} at {}: a host can have {HOST_ROUTES} \
                         routes there, with those of older VirtualServices",
                        budget.gateway
                    );
                    budget.leave_out(part.rules, message);
                }
            }
        }
    }

    /// The parts that are too much, the youngest VirtualServices: a part counts once for each set of
    /// parts that it is joined in.
    fn left_out(&self, by_age: &[usize], port: u16, budget: &mut Budget) -> BTreeSet<usize> {
        let sets: BTreeSet<&[usize]> = self.hosts.values().map(|host| &*host.parts).collect();
        let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
        for part in sets.into_iter().flatten() {
            *copies.entry(*part).or_default() += 1;
        }
        let mut left_out = BTreeSet::new();
        let mut of_table = 0_usize;
        for index in by_age {
            let (Some(part), Some(copies)) = (self.parts.get(*index), copies.get(index)) else {
                continue;
            };
            let bytes = part.rules.http_weight.bytes.saturating_mul(*copies);
            let now = of_table.saturating_add(bytes);
            if now <= TABLE_BYTES && budget.bytes.saturating_add(bytes) <= VIEW_BYTES {
                of_table = now;
                budget.bytes += bytes;
                continue;
            }
            left_out.insert(*index);
            let message = format!(
                "at {}, these rules are left out at port {port}, where requests for the hosts get \
                 503: with older VirtualServices, there are more than {} MiB of routes in the \
                 table, or {} MiB in all of the gateway's. Give it fewer routes, or hosts that \
                 share no wildcard with those of others",
                budget.gateway,
                TABLE_BYTES >> 20,
                VIEW_BYTES >> 20
            );
            budget.leave_out(part.rules, message);
        }
        left_out
    }
}
