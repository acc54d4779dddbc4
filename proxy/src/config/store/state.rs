//! The store: resources come in, tables come out. It reads no clock and waits for nothing.

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
    clusters::{Clusters, Sources},
    collection::{Arrival, Collection, Entry},
    endpoints::Answers,
    listeners::listeners,
    record::{Held, Refused},
};
use crate::{
    config::{
        compile::{self, Citations, LoadAssignment, RouteTable},
        dns::Question,
        kind::Kind,
    },
    tables::Snapshot,
};

/// How long a listener or a route table waits for what it cites, while the old one serves.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for the first configuration, while nothing serves: Envoy's `initial_fetch_timeout`.
const FIRST_PATIENCE: Duration = Duration::from_secs(15);

/// Listeners and route tables of one proxy. Ten thousand services have as many listeners.
const MAX_LISTENERS: usize = 65_536;
const MAX_TABLES: usize = 65_536;
const MAX_ASSIGNMENTS: usize = 131_072;

/// The resources of one proxy.
#[derive(Debug)]
pub(crate) struct Store {
    kind: Kind,
    /// The server's address, for texts.
    server: Arc<str>,
    /// How long a silent client may speak HTTP where the server sets no limit.
    detection_timeout: Duration,
    listeners: Collection<compile::Listener>,
    tables: Collection<RouteTable>,
    clusters: Clusters,
    assignments: Collection<LoadAssignment>,
    answers: Answers,
    has_had: HasHad,
    /// Whether a first configuration is in force.
    is_configured: bool,
    /// Whether what is cited may have changed.
    cites_changed: bool,
    /// Whether the listeners of the next generation are others than those of the last one.
    listeners_changed: bool,
    wanted: Wanted,
    wanted_changed: bool,
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
            listeners: Collection::new(MAX_LISTENERS),
            tables: Collection::new(MAX_TABLES),
            clusters: Clusters::default(),
            assignments: Collection::new(MAX_ASSIGNMENTS),
            answers: Answers::default(),
            has_had: HasHad::default(),
            is_configured: false,
            cites_changed: false,
            listeners_changed: false,
            wanted: Wanted::default(),
            wanted_changed: false,
            generation: first,
            last: SystemTime::UNIX_EPOCH,
        }
    }

    /// Whether a configuration is in force.
    pub fn is_configured(&self) -> bool {
        self.is_configured
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
        self.listeners.apply(changed, arrival, |resource| {
            compile::listener(kind, &resource.name, &resource.body.value)
        })
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
                self.tables.set_absent(name);
                self.listeners_changed = true;
            }
        }
        self.tables.apply(changed, arrival, |resource| {
            compile::route_table(&resource.name, &resource.body.value)
        })
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
                self.assignments.set_absent(name);
                self.clusters.assigned(name);
            }
        }
        self.assignments.apply(changed, arrival, |resource| {
            compile::assignment(&resource.name, &resource.body.value)
        })
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

    /// Takes an answer of DNS. An empty one means that there is none yet, or no address.
    pub fn resolve(&mut self, question: Question, addresses: Vec<IpAddr>) {
        if self.wanted.questions.contains(&question) {
            self.clusters.answered(&question);
            self.answers.insert(question, addresses);
        }
    }

    /// Puts in force what can be, and says what has to be done.
    pub fn advance(&mut self, now: Instant) -> Step {
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
        let (clusters, clusters_changed) = self.clusters.build(sources);
        let changed = clusters_changed || self.listeners_changed;
        let snapshot = (self.is_configured && changed).then(|| {
            self.listeners_changed = false;
            self.generation += 1;
            Snapshot {
                generation: self.generation - 1,
                listeners: listeners(&self.listeners, &self.tables, self.detection_timeout),
                clusters,
                server: Arc::clone(&self.server),
            }
        });
        Step {
            snapshot,
            wanted: std::mem::take(&mut self.wanted_changed).then(|| self.wanted.clone()),
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
        let wanted = Wanted {
            route_configurations: cited.route_configurations,
            load_assignments: self.clusters.assignments(),
            questions: self.clusters.questions(),
        };
        self.wanted_changed |= wanted != self.wanted;
        self.wanted = wanted;
        self.assignments.retain(&self.wanted.load_assignments);
        let questions = &self.wanted.questions;
        self.answers
            .retain(|question, _| questions.contains(question));
    }

    /// Puts in force what has all that it needs. Returns whether something was.
    fn promote(&mut self, now: Instant) -> bool {
        for (name, entry) in self.assignments.iter_mut() {
            if entry.slot.promote(now, |_| true) {
                self.clusters.assigned(name);
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
        for (_, entry) in self.tables.iter_mut() {
            if entry.slot.promote(now, |table| has_clusters(&table.cites)) {
                has_promoted = true;
                self.listeners_changed = true;
            }
        }
        let tables = &self.tables;
        let has_all = |listener: &compile::Listener| {
            let mut names = listener.cites.route_configurations.iter();
            let has_tables = names.all(|name| tables.get(name).is_some_and(Entry::is_settled));
            has_tables && has_clusters(&listener.cites)
        };
        if !self.is_configured && !self.has_first(now, &has_all) {
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
            }
        }
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
        ];
        deadlines
            .into_iter()
            .flatten()
            .filter(|deadline| *deadline > now)
            .min()
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

fn add(all: &mut Citations, some: &Citations) {
    all.clusters.extend(some.clusters.iter().cloned());
    all.route_configurations
        .extend(some.route_configurations.iter().cloned());
}
