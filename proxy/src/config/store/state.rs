//! The store: resources come in, tables come out. It reads no clock and waits for nothing.

mod turn;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use pillion_envoy_api::type_url;
use pillion_xds::Resource;
use tokio::time::Instant;

use super::{
    clusters::{Clusters, News},
    collection::{Absence, Arrival, Collection, Compiled, Entry, Limits},
    endpoints::Answers,
    record::{Held, Refused},
    waits::Waits,
};
use crate::{
    config::{
        compile::{self, Fault, Faults, LoadAssignment, RouteTable, Used},
        dns::Question,
    },
    kind::Kind,
    tables::{Listeners, Patterns, Snapshot},
};

/// How long a listener or a route table waits for what it cites, while the old one serves.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for the first configuration, while nothing serves: Envoy's `initial_fetch_timeout`.
const FIRST_PATIENCE: Duration = Duration::from_secs(15);

/// Listeners of one proxy: ten thousand services have as many. However many there are, those of
/// captured traffic, which Istio gives these names, have a place.
const LISTENERS: Limits = Limits {
    most: 65_536,
    kept: &["virtualInbound", "virtualOutbound"],
};

/// Names that are listed in one line of the log.
const MAX_LISTED: usize = 5;

/// The resources of one proxy.
#[derive(Debug)]
pub(crate) struct Store {
    kind: Kind,
    /// The server's address, for texts.
    server: Arc<str>,
    /// How long a silent client may speak HTTP where the server sets no limit.
    detection_timeout: Duration,
    patterns: Patterns,
    listeners: Collection<compile::Listener>,
    tables: Collection<RouteTable>,
    clusters: Clusters,
    assignments: Collection<LoadAssignment>,
    answers: Answers,
    /// What of both has changed since the clusters were built.
    news: News,
    has_had: HasHad,
    /// Whether a first configuration is in force.
    is_configured: bool,
    /// Whether what is cited may have changed.
    cites_changed: bool,
    /// Whether the listeners of the next generation are others than those of the last one.
    listeners_changed: bool,
    /// Those of the last generation.
    last_listeners: Arc<Listeners>,
    wanted: Wanted,
    wanted_changed: bool,
    awaited: Awaited,
    /// Names that DNS is not asked for, because there are too many.
    unresolved: usize,
    generation: u64,
    /// When something came last.
    last: SystemTime,
}

/// What the server has sent at least once.
#[derive(Debug, Default)]
struct HasHad {
    clusters: bool,
    /// And until when clusters are waited for that it has not sent with the first ones.
    listeners: Option<Instant>,
}

/// What the server has been asked for, and has not answered.
#[derive(Debug, Default)]
struct Awaited {
    tables: Waits,
    assignments: Waits,
}

/// The names that the proxy asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub route_configurations: BTreeSet<Arc<str>>,
    pub load_assignments: BTreeSet<Arc<str>>,
    pub questions: BTreeSet<Question>,
}

/// What has to be done now.
#[derive(Debug)]
pub(crate) struct Step {
    /// A new generation.
    pub snapshot: Option<Snapshot>,
    /// The names to ask for, if these have changed.
    pub wanted: Option<Wanted>,
    /// Clusters that were refused when they came to be needed, which the server has not been told.
    pub refused: Vec<Refused>,
    /// When something happens by itself.
    pub next: Option<Instant>,
}

impl Store {
    /// Without resources of that server. The first generation has the number `first`.
    pub fn new(kind: Kind, server: &str, detection_timeout: Duration, first: u64) -> Self {
        Self {
            kind,
            server: Arc::from(server),
            detection_timeout,
            patterns: Patterns::default(),
            listeners: Collection::new(LISTENERS),
            tables: Collection::new(Limits::AS_ASKED),
            clusters: Clusters::default(),
            assignments: Collection::new(Limits::AS_ASKED),
            answers: Answers::default(),
            news: News::default(),
            has_had: HasHad::default(),
            is_configured: false,
            cites_changed: false,
            listeners_changed: false,
            last_listeners: Arc::default(),
            wanted: Wanted::default(),
            wanted_changed: false,
            awaited: Awaited::default(),
            unresolved: 0,
            generation: first,
            last: SystemTime::UNIX_EPOCH,
        }
    }

    /// Whether the first configuration serves, and neither a listener, nor a filter chain of what
    /// comes to the application, nor a route table only says why it can't be used. A virtual host
    /// of what the application sends may: anybody who writes a rule could stop all new pods
    /// otherwise. So may what there is no room for, but for the listeners of captured traffic.
    pub fn is_ready(&self) -> bool {
        let has_listeners = || {
            let mut listeners = self.listeners.iter();
            listeners.all(|(_, entry)| {
                let serves = entry.slot.in_force();
                let is_refused = entry.has_only_refused()
                    || serves.is_some_and(|listener| listener.holds_readiness());
                !is_refused || entry.is_omitted()
            })
        };
        let has_tables = || {
            let mut names = self.wanted.route_configurations.iter();
            names.all(|name| self.tables.get(name).is_some_and(Entry::is_good))
        };
        self.is_configured && has_listeners() && has_tables()
    }

    /// Takes what the server has sent of one type. Returns what is refused of it; all others
    /// are taken.
    pub fn apply(
        &mut self,
        type_url: &str,
        changed: Vec<Resource>,
        removed: &[Arc<str>],
        (now, at): (Instant, SystemTime),
    ) -> Vec<Refused> {
        let arrival = Arrival {
            at,
            until: now + self.patience(),
        };
        self.last = at;
        match type_url {
            type_url::LISTENER => self.apply_listeners(changed, removed, arrival, now),
            type_url::ROUTE_CONFIGURATION => self.apply_tables(changed, removed, arrival),
            type_url::CLUSTER => self.apply_clusters(changed, removed, arrival, now),
            type_url::CLUSTER_LOAD_ASSIGNMENT => self.apply_assignments(changed, removed, arrival),
            // The client takes no others.
            _ => Vec::new(),
        }
    }

    fn patience(&self) -> Duration {
        match self.is_configured {
            true => PATIENCE,
            false => FIRST_PATIENCE,
        }
    }

    fn apply_listeners(
        &mut self,
        changed: Vec<Resource>,
        removed: &[Arc<str>],
        arrival: Arrival,
        now: Instant,
    ) -> Vec<Refused> {
        let kind = self.kind;
        self.has_had.listeners.get_or_insert(now + PATIENCE);
        self.cites_changed = true;
        for name in removed {
            self.listeners_changed |= self.listeners.remove(name);
        }
        let patterns = &self.patterns;
        let stand_in = |resource: &Resource, fault: &Fault| {
            compile::refusing_listener(kind, &resource.body.value, fault)
        };
        let compile = |resource: &Resource, last: Option<&compile::Listener>| {
            let bytes = &resource.body.value;
            match compile::listener(kind, patterns, &resource.name, bytes) {
                Ok(mut listener) => {
                    let faults = std::mem::take(&mut listener.faults);
                    // What was good stays as a whole, as in Envoy: its chains belong together.
                    let was_good = last.is_some_and(|last| last.used == Used::All);
                    match was_good && listener.used != Used::All {
                        true => Compiled::refused(faults),
                        false => Compiled::used(listener, faults),
                    }
                }
                Err(fault) if last.is_some_and(|last| last.used != Used::Nothing) => {
                    Compiled::refused(fault)
                }
                Err(fault) => {
                    let stand_in = stand_in(resource, &fault);
                    Compiled::refused(fault).with_stand_in(stand_in)
                }
            }
        };
        self.listeners.apply(changed, arrival, compile, stand_in)
    }

    fn apply_tables(
        &mut self,
        changed: Vec<Resource>,
        removed: &[Arc<str>],
        arrival: Arrival,
    ) -> Vec<Refused> {
        let changed = self.only(changed, |wanted| &wanted.route_configurations);
        self.cites_changed = true;
        for name in removed {
            if self.wanted.route_configurations.contains(name) {
                self.tables.set_absent(name, Absence::Told);
                self.listeners_changed = true;
            }
        }
        let patterns = &self.patterns;
        let compile = |resource: &Resource, last: Option<&RouteTable>| {
            let last = last.map(|last| &*last.hosts);
            match compile::route_table(patterns, &resource.name, &resource.body.value, last) {
                Ok(mut table) => {
                    let faults = std::mem::take(&mut table.faults);
                    Compiled::used(table, faults)
                }
                Err(fault) => Compiled::refused(fault),
            }
        };
        let refused = self.tables.apply(changed, arrival, compile, |_, _| None);
        let is_useless = |name: &Arc<str>| {
            let entry = self.tables.get(name);
            entry.is_some_and(Entry::has_only_refused)
        };
        // Listeners that wait for it have something to say now.
        self.listeners_changed |= refused.iter().any(|refused| is_useless(&refused.name));
        refused
    }

    fn apply_clusters(
        &mut self,
        changed: Vec<Resource>,
        removed: &[Arc<str>],
        arrival: Arrival,
        now: Instant,
    ) -> Vec<Refused> {
        self.has_had.clusters = true;
        self.cites_changed = true;
        for name in removed {
            self.clusters.remove(name, now);
        }
        self.clusters.apply(changed, arrival)
    }

    fn apply_assignments(
        &mut self,
        changed: Vec<Resource>,
        removed: &[Arc<str>],
        arrival: Arrival,
    ) -> Vec<Refused> {
        let changed = self.only(changed, |wanted| &wanted.load_assignments);
        for name in removed {
            if self.wanted.load_assignments.contains(name) {
                self.assignments.set_absent(name, Absence::Told);
                self.news.assignments.insert(Arc::clone(name));
            }
        }
        let compile = |resource: &Resource, _: Option<&LoadAssignment>| match compile::assignment(
            &resource.name,
            &resource.body.value,
        ) {
            Ok(assignment) => Compiled::used(assignment, Faults::default()),
            Err(fault) => Compiled::refused(fault),
        };
        self.assignments
            .apply(changed, arrival, compile, |_, _| None)
    }

    /// What the server sends unasked is dropped: it would be held for nobody.
    fn only(
        &self,
        mut resources: Vec<Resource>,
        names: impl Fn(&Wanted) -> &BTreeSet<Arc<str>>,
    ) -> Vec<Resource> {
        let names = names(&self.wanted);
        resources.retain(|resource| names.contains(&resource.name));
        resources
    }

    /// Assumes that the server has nothing of these names, which it is not asked for. What it says
    /// later counts.
    pub fn omit(&mut self, type_url: &str, names: &[Arc<str>]) {
        self.do_without(type_url, names, Absence::NotAsked);
    }

    /// Does without what nothing is known of.
    fn do_without(&mut self, type_url: &str, names: &[Arc<str>], absence: Absence) {
        let is_table = type_url == type_url::ROUTE_CONFIGURATION;
        let (tables, assignments) = (&self.tables, &self.assignments);
        let is_unknown = |name: &&Arc<str>| match is_table {
            true => tables.get(name).is_none(),
            false => assignments.get(name).is_none(),
        };
        let unknown: Vec<_> = names.iter().filter(is_unknown).collect();
        if unknown.is_empty() {
            return;
        }
        let first = &unknown[..unknown.len().min(MAX_LISTED)];
        let count = unknown.len();
        let reason = match absence {
            Absence::NotAsked => "the control plane is not asked for them",
            Absence::NotAnswered | Absence::Told => "the control plane has not sent them",
        };
        tracing::warn!(
            type_url,
            count,
            ?first,
            reason,
            "continuing without these resources"
        );
        for name in unknown {
            if is_table {
                self.tables.set_absent(name, absence);
                self.listeners_changed = true;
            } else {
                self.assignments.set_absent(name, absence);
                self.news.assignments.insert(Arc::clone(name));
            }
        }
    }

    /// How many resources are refused, as a whole or in part.
    pub fn refused(&self) -> usize {
        let (listeners, tables) = (self.listeners.refused(), self.tables.refused());
        listeners + tables + self.clusters.refused() + self.assignments.refused()
    }

    /// How many names DNS is not asked for, because there are too many.
    pub fn unresolved(&self) -> usize {
        self.unresolved
    }

    /// Takes an answer of DNS. An empty one means that there is none yet, or no address.
    pub fn resolve(&mut self, question: Question, addresses: Vec<IpAddr>) {
        if self.wanted.questions.contains(&question) {
            self.news.answers.insert(question.clone());
            self.answers.insert(question, addresses);
        }
    }

    /// All listeners.
    pub fn held_listeners(&self) -> Vec<Held> {
        self.listeners.dump()
    }

    /// All route tables.
    pub fn held_tables(&self) -> Vec<Held> {
        self.tables.dump()
    }

    /// All clusters.
    pub fn held_clusters(&self) -> Vec<Held> {
        self.clusters.dump()
    }

    /// All assignments.
    pub fn held_assignments(&self) -> Vec<Held> {
        self.assignments.dump()
    }
}
