//! The virtual hosts of a gateway's route table.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    budget,
    http_routes::{catch_all_last, of_rules},
    view::View,
};
use crate::model::{
    routes::{Route, Routes, VirtualHost},
    rules::{Place, Server, VirtualService, Weight, Weights},
};

/// The virtual hosts of a table, by their domain: each has its own, since each may get the
/// routes of other VirtualServices.
#[derive(Default)]
pub(super) struct Hosts<'a> {
    /// The hosts.
    pub hosts: BTreeMap<Arc<str>, Host>,
    /// The VirtualServices at their places, whose routes many hosts may have.
    pub parts: Vec<Part<'a>>,
}

/// A VirtualService at its place.
pub(super) struct Part<'a> {
    /// The VirtualService.
    pub rules: &'a VirtualService,
    /// The place.
    pub place: Place<'a>,
    /// How much its routes there are.
    pub weight: Weight,
    /// Whether requests are refused instead: the tables are too large.
    pub is_left_out: bool,
}

/// A host.
pub(super) struct Host {
    /// The port of the server that it is first of.
    pub port: u16,
    /// Its parts, each once.
    pub parts: Vec<Chosen>,
    /// Whether requests without TLS are redirected.
    pub https_redirect: bool,
}

/// A part of a host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chosen {
    /// Its index.
    pub index: usize,
    /// Whether requests are refused instead: the host has too many routes.
    pub is_left_out: bool,
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
            is_left_out: false,
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
    pub fn finish(self, view: &View) -> Vec<Arc<VirtualHost>> {
        let Self { hosts, parts } = self;
        // Only of parts that some host has.
        let mut made: BTreeMap<usize, Vec<Route>> = BTreeMap::new();
        let mut joined: BTreeMap<Vec<Chosen>, Arc<Routes>> = BTreeMap::new();
        let hosts = hosts.into_iter().map(|(domain, host)| {
            let routes = joined.entry(host.parts).or_insert_with_key(|own| {
                let mut routes = Vec::new();
                let mut left_out = None;
                for chosen in own {
                    let Some(part) = parts.get(chosen.index) else {
                        continue;
                    };
                    if chosen.is_left_out || part.is_left_out {
                        left_out = left_out.or(Some(&part.rules.meta.key));
                        continue;
                    }
                    let own = made.entry(chosen.index);
                    let own = own.or_insert_with(|| of_rules(view, part.rules, part.place).routes);
                    routes.extend_from_slice(own);
                }
                let mut routes = catch_all_last(routes);
                // What the others route is theirs.
                let is_open = routes
                    .last()
                    .is_none_or(|last| !last.matches.is_catch_all());
                let refusal = left_out.filter(|_| is_open).map(budget::refusal);
                routes.extend(refusal);
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
}
