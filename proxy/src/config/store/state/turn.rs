//! What happens after each change: what is cited, and what of it is put in force.

use std::{collections::BTreeSet, sync::Arc};

use pillion_envoy_api::type_url;
use tokio::time::Instant;

use super::{FIRST_PATIENCE, MAX_LISTED, Step, Store, Wanted};
use crate::{
    config::{
        compile::{self, Citations},
        dns,
        store::{
            clusters::Sources,
            collection::{Absence, Arrival, Entry},
            listeners::listeners,
        },
    },
    tables::Snapshot,
};

impl Store {
    /// Puts in force what can be, and says what has to be done.
    pub fn advance(&mut self, now: Instant) -> Step {
        let tables = self.awaited.tables.take_expired(now);
        let late = Absence::NotAnswered;
        self.do_without(type_url::ROUTE_CONFIGURATION, &tables, late);
        let assignments = self.awaited.assignments.take_expired(now);
        self.do_without(type_url::CLUSTER_LOAD_ASSIGNMENT, &assignments, late);
        // Each turn puts at least one resource in force, and those that wait are finitely many.
        loop {
            if std::mem::take(&mut self.cites_changed) {
                self.cite(now);
            }
            if !self.promote(now) {
                break;
            }
            self.cites_changed = true;
        }
        let sources = Sources {
            assignments: &self.assignments,
            answers: &self.answers,
        };
        self.clusters.renew(&std::mem::take(&mut self.news));
        let (clusters, clusters_changed) = self.clusters.build(sources);
        let refused = self.clusters.take_refused();
        let changed = clusters_changed || self.listeners_changed;
        let snapshot = (self.is_configured && changed).then(|| {
            self.generation += 1;
            // Endpoints change more often than rules, and a request may hold its generation for long.
            if std::mem::take(&mut self.listeners_changed) {
                let all = listeners(&self.listeners, &self.tables, self.detection_timeout);
                self.last_listeners = Arc::new(all);
            }
            Snapshot::new(
                self.generation - 1,
                Arc::clone(&self.last_listeners),
                clusters,
                Arc::clone(&self.server),
            )
        });
        Step {
            snapshot,
            wanted: std::mem::take(&mut self.wanted_changed).then(|| self.wanted.clone()),
            refused,
            next: self.deadline(now),
        }
    }

    /// Finds out what is cited, and forgets what isn't.
    fn cite(&mut self, now: Instant) {
        let arrival = Arrival {
            at: self.last,
            until: now + self.patience(),
        };
        let mut cited = Citations::default();
        for (_, entry) in self.listeners.iter() {
            entry
                .slot
                .both()
                .for_each(|listener| add(&mut cited, &listener.cites));
        }
        self.tables.retain(&cited.route_configurations);
        for (_, entry) in self.tables.iter() {
            entry
                .slot
                .both()
                .for_each(|table| add(&mut cited, &table.cites));
        }
        self.clusters.cite(cited.clusters, arrival);
        let questions = self.clusters.questions();
        let shares = dns::share(&questions, &self.wanted.questions, dns::MOST);
        let wanted = Wanted {
            route_configurations: cited.route_configurations,
            load_assignments: self.clusters.assignments(),
            questions: shares.asked,
        };
        self.wanted_changed |= wanted != self.wanted;
        self.wanted = wanted;
        self.assignments.retain(&self.wanted.load_assignments);
        let asked = &self.wanted.questions;
        self.answers
            .retain(|question, _| asked.contains(question) || shares.omitted.contains(question));
        self.unresolved = shares.omitted.len();
        let mut new = Vec::new();
        for question in shares.omitted {
            // Nobody waits for what is not asked.
            let last = self.answers.insert(question.clone(), Vec::new());
            if last.is_none_or(|last| !last.is_empty()) {
                new.push(Arc::clone(&question.name));
                self.news.answers.insert(question);
            }
        }
        if !new.is_empty() {
            let (count, first) = (new.len(), &new[..new.len().min(MAX_LISTED)]);
            tracing::warn!(
                count,
                ?first,
                "not looked up: there are too many names for DNS"
            );
        }
        self.wait(now);
    }

    /// Waits for what has been asked for, and is not known yet.
    fn wait(&mut self, now: Instant) {
        let until = now + FIRST_PATIENCE;
        let names = self.wanted.route_configurations.iter();
        let unknown = names.filter(|name| self.tables.get(name).is_none());
        self.awaited.tables.keep(unknown.cloned().collect(), until);
        let names = self.wanted.load_assignments.iter();
        let unknown = names.filter(|name| self.assignments.get(name).is_none());
        self.awaited
            .assignments
            .keep(unknown.cloned().collect(), until);
    }

    /// Puts in force what has all that it needs. Returns whether something was.
    fn promote(&mut self, now: Instant) -> bool {
        for (name, entry) in self.assignments.iter_mut() {
            if entry.slot.promote(now, |_| true) {
                self.news.assignments.insert(Arc::clone(name));
            }
        }
        let sources = Sources {
            assignments: &self.assignments,
            answers: &self.answers,
        };
        let mut has_promoted = self.clusters.promote(now, sources);
        let clusters = &self.clusters;
        let first = self.has_had.listeners.filter(|_| !self.is_configured);
        let without_unknown = first.is_some_and(|until| until <= now);
        let has_clusters = |cites: &Citations| {
            let mut names = cites.clusters.iter();
            names.all(|name| {
                clusters.is_settled(name, sources) || without_unknown && clusters.is_unknown(name)
            })
        };
        let mut missed = BTreeSet::new();
        for (_, entry) in self.tables.iter_mut() {
            if entry.slot.promote(now, |table| has_clusters(&table.cites)) {
                has_promoted = true;
                self.listeners_changed = true;
                let cites = entry.slot.in_force().map(|table| &table.cites);
                missed.extend(cites.into_iter().flat_map(|cites| clusters.unknown(cites)));
            }
        }
        let tables = &self.tables;
        let has_all = |listener: &compile::Listener| {
            let mut names = listener.cites.route_configurations.iter();
            let has_tables = names.all(|name| tables.get(name).is_some_and(Entry::is_settled));
            has_tables && has_clusters(&listener.cites)
        };
        if !self.is_configured && !self.has_first(now, &has_all) {
            self.clusters.give_up(missed);
            return has_promoted;
        }
        for (_, entry) in self.listeners.iter_mut() {
            // The first ones begin together, so that none carries what another one is for.
            if entry
                .slot
                .promote(now, |listener| !self.is_configured || has_all(listener))
            {
                has_promoted = true;
                self.listeners_changed = true;
                let cites = entry.slot.in_force().map(|listener| &listener.cites);
                missed.extend(cites.into_iter().flat_map(|cites| clusters.unknown(cites)));
            }
        }
        self.clusters.give_up(missed);
        if !self.is_configured {
            self.is_configured = true;
            // Without listeners, too, the tables are those of the server from here on.
            self.listeners_changed = true;
        }
        has_promoted
    }

    /// Whether the first configuration is complete, or has been waited for long enough.
    fn has_first(&self, now: Instant, has_all: &dyn Fn(&compile::Listener) -> bool) -> bool {
        if self.has_had.listeners.is_none() {
            return false;
        }
        let late = self.listeners.deadline().is_some_and(|until| until <= now);
        let mut pending = self
            .listeners
            .iter()
            .filter_map(|(_, entry)| entry.slot.pending());
        late || self.has_had.clusters && pending.all(has_all)
    }

    /// When something happens by itself. What is over has happened.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let first = self.has_had.listeners.filter(|_| !self.is_configured);
        let deadlines = [
            first,
            self.listeners.deadline(),
            self.tables.deadline(),
            self.clusters.deadline(),
            self.awaited.tables.deadline(),
            self.awaited.assignments.deadline(),
        ];
        deadlines
            .into_iter()
            .flatten()
            .filter(|deadline| *deadline > now)
            .min()
    }
}

fn add(all: &mut Citations, some: &Citations) {
    let clusters = some.clusters.iter().chain(&some.collectors);
    all.clusters.extend(clusters.cloned());
    all.route_configurations
        .extend(some.route_configurations.iter().cloned());
}
