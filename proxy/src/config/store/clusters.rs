//! Clusters: bytes until somebody cites them.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use pillion_xds::Resource;
use tokio::time::Instant;

use super::{
    collection::{Arrival, Collection, Entry, MAX_BYTES},
    endpoints::{Answers, Manner, endpoints, questions, resolved},
    record::{Held, Record, Refusal, Refused},
    slot::Slot,
};
use crate::{
    config::{
        compile::{self, Discovery, LoadAssignment},
        dns::Question,
    },
    tables::{self, ClusterStates, EndpointSource},
};

/// Clusters of one proxy. Ten thousand services have some tens of thousands.
const MOST: usize = 131_072;

/// How long a cluster lives on that the server has removed and that is still cited.
const FAREWELL: Duration = Duration::from_secs(5);

/// The clusters, by name.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    held: BTreeMap<Arc<str>, Known>,
    bytes: usize,
    /// What is cited.
    cited: BTreeSet<Arc<str>>,
    /// What is cited and isn't there: the server has said so, or it has been waited for in vain.
    absent: BTreeSet<Arc<str>>,
    /// Those that were refused once they were cited.
    refused: Vec<Refused>,
    /// Those whose place in the table has changed.
    changed: BTreeSet<Arc<str>>,
    states: ClusterStates,
    /// Those in force.
    in_force: BTreeMap<Arc<str>, Arc<tables::Cluster>>,
    table: Arc<tables::Clusters>,
}

#[derive(Debug)]
struct Known {
    record: Record,
    refusal: Option<Refusal>,
    /// Whether the record is more than bytes: it has been compiled, or refused.
    is_compiled: bool,
    slot: Slot<compile::Cluster>,
    /// When it goes: the server has removed it.
    leaves: Option<Instant>,
}

/// Sources of endpoints that have changed.
#[derive(Debug, Default)]
pub(super) struct News {
    pub assignments: HashSet<Arc<str>>,
    pub answers: HashSet<Question>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.assignments.is_empty() && self.answers.is_empty()
    }

    fn concern(&self, cluster: &compile::Cluster) -> bool {
        match &cluster.discovery {
            Discovery::Assignment(name) => self.assignments.contains(name),
            Discovery::Dns(dns) => {
                let mut asked = questions(dns).into_iter();
                !self.answers.is_empty() && asked.any(|question| self.answers.contains(&question))
            }
            Discovery::OriginalDestination | Discovery::Static(_) => false,
        }
    }
}

/// What the endpoints of clusters are known from.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub assignments: &'a Collection<LoadAssignment>,
    pub answers: &'a Answers,
}

impl Clusters {
    /// Takes what the server has sent. A cluster that nobody cites is not looked at.
    pub fn apply(&mut self, changed: Vec<Resource>, arrival: Arrival) -> Vec<Refused> {
        let mut refused = Vec::new();
        for resource in changed {
            self.absent.remove(&resource.name);
            if let Err(fault) = self.take(&resource, arrival) {
                let of = (resource.name, resource.version);
                refused.push(Refused::new(of, &fault, false));
            }
        }
        refused
    }

    fn take(&mut self, resource: &Resource, arrival: Arrival) -> Result<(), compile::Fault> {
        let name = &resource.name;
        let record = Record {
            version: Arc::clone(&resource.version),
            body: resource.body.clone(),
            updated: arrival.at,
        };
        let known = self
            .held
            .get(name)
            .map_or(0, |held| held.record.body.value.len());
        let bytes = self.bytes - known + record.body.value.len();
        if bytes > MAX_BYTES || (self.held.len() >= MOST && !self.held.contains_key(name)) {
            let reason =
                format!("there are too many clusters: {MOST} or {MAX_BYTES} bytes are the most");
            return Err(compile::Fault::new("name", reason));
        }
        let is_cited = self.cited.contains(name);
        let Some(held) = self.held.get_mut(name) else {
            let mut held = Known::new(record);
            let compiled = match is_cited {
                true => held.compile(name, arrival),
                false => Ok(()),
            };
            self.bytes = bytes;
            self.held.insert(Arc::clone(name), held);
            return compiled;
        };
        held.leaves = None;
        if held.record.version == record.version {
            let refused = held.refusal.as_ref();
            if is_cited && refused.is_some_and(|refusal| refusal.version == record.version) {
                return held.compile(name, arrival);
            }
            held.refusal = None;
            return Ok(());
        }
        if !is_cited {
            self.bytes = bytes;
            *held = Known::new(record);
            return Ok(());
        }
        // The last good one stays if this one is refused.
        let old = std::mem::replace(&mut held.record, record);
        let compiled = held.compile(name, arrival);
        match &compiled {
            Ok(()) => self.bytes = bytes,
            Err(_) => held.record = old,
        }
        compiled
    }

    /// Takes the server's word that there is none of that name.
    pub fn remove(&mut self, name: &Arc<str>, now: Instant) {
        if !self.cited.contains(name) {
            self.forget(name);
            return;
        }
        match self.held.get_mut(name) {
            Some(held) => held.leaves = held.leaves.or(Some(now + FAREWELL)),
            None => {
                self.absent.insert(Arc::clone(name));
            }
        }
    }

    fn forget(&mut self, name: &Arc<str>) {
        let gone = self.held.remove(name);
        self.bytes -= gone.map_or(0, |held| held.record.body.value.len());
        self.changed.insert(Arc::clone(name));
    }

    /// Compiles what is cited, and lets go of what isn't any more.
    pub fn cite(&mut self, cited: BTreeSet<Arc<str>>, arrival: Arrival) {
        for name in self.cited.difference(&cited) {
            self.changed.insert(Arc::clone(name));
        }
        self.absent.retain(|name| cited.contains(name));
        let let_go: Vec<_> = self.cited.difference(&cited).cloned().collect();
        for name in let_go {
            match self.held.get_mut(&name) {
                Some(held) if held.leaves.is_none() => {
                    *held = Known::new(held.record.clone());
                }
                Some(_) => self.forget(&name),
                None => {}
            }
        }
        for name in &cited {
            if let Some(held) = self.held.get_mut(name)
                && !held.is_compiled
                && let Err(fault) = held.compile(name, arrival)
            {
                let of = (Arc::clone(name), Arc::clone(&held.record.version));
                self.refused.push(Refused::new(of, &fault, false));
            }
        }
        self.cited = cited;
    }

    /// Those that were refused since the last call, because they are cited now.
    pub fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// Puts in force what has all that it needs, and ends the time of what the server has
    /// removed. Returns whether anything has changed.
    pub fn promote(&mut self, now: Instant, sources: Sources<'_>) -> bool {
        let mut has_changed = false;
        let mut gone = Vec::new();
        for (name, held) in &mut self.held {
            if held.leaves.is_some_and(|leaves| leaves <= now) {
                gone.push(Arc::clone(name));
                continue;
            }
            // A cluster that is new may wait for its endpoints in the table: requests do so, too.
            let is_new = held.slot.in_force().is_none();
            if held
                .slot
                .promote(now, |cluster| is_new || sources.has_endpoints_of(cluster))
            {
                self.changed.insert(Arc::clone(name));
                has_changed = true;
            }
        }
        for name in gone {
            self.forget(&name);
            self.absent.insert(name);
            has_changed = true;
        }
        has_changed
    }

    /// Whether there is nothing to wait for before that cluster is used.
    pub fn is_settled(&self, name: &str, sources: Sources<'_>) -> bool {
        let Some(held) = self.held.get(name) else {
            return self.absent.contains(name);
        };
        let in_force = held.slot.in_force();
        in_force.is_some_and(|cluster| sources.has_endpoints_of(cluster)) || held.is_useless()
    }

    /// Whether nothing is known of that cluster.
    pub fn is_unknown(&self, name: &str) -> bool {
        !self.held.contains_key(name) && !self.absent.contains(name)
    }

    /// The clusters among these that nothing is known of.
    pub fn unknown(&self, cites: &compile::Citations) -> impl Iterator<Item = Arc<str>> {
        let names = cites.clusters.iter();
        names.filter(move |name| self.is_unknown(name)).cloned()
    }

    /// Marks these names as absent: they have been waited for in vain, and nobody waits for them
    /// again before they come.
    pub fn give_up(&mut self, unknown: BTreeSet<Arc<str>>) {
        self.absent.extend(unknown);
    }

    /// The assignments that are needed.
    pub fn assignments(&self) -> BTreeSet<Arc<str>> {
        let assignments = self
            .compiled()
            .filter_map(|(_, cluster)| match &cluster.discovery {
                Discovery::Assignment(name) => Some(Arc::clone(name)),
                _ => None,
            });
        assignments.collect()
    }

    /// The names that each of the clusters needs that need some.
    pub fn questions(&self) -> Vec<Vec<Question>> {
        let all = self.compiled().map(|(_, cluster)| questions_of(cluster));
        all.filter(|questions| !questions.is_empty()).collect()
    }

    /// How many of those that are looked at are refused.
    pub fn refused(&self) -> usize {
        let held = self.held.values();
        held.filter(|held| held.refusal.is_some()).count()
    }

    /// Has clusters built anew whose endpoints are others: all in one go, because each looks
    /// at all clusters.
    pub fn renew(&mut self, news: &News) {
        if news.is_empty() {
            return;
        }
        for name in &self.cited {
            let Some(held) = self.held.get(name) else {
                continue;
            };
            let in_force = held.slot.in_force();
            if in_force.is_some_and(|cluster| news.concern(cluster)) {
                self.changed.insert(Arc::clone(name));
            }
        }
    }

    fn compiled(&self) -> impl Iterator<Item = (&Arc<str>, &compile::Cluster)> {
        let held = self.held.iter();
        held.flat_map(|(name, held)| held.slot.both().map(move |cluster| (name, cluster)))
    }

    /// Brings the table up to date. Returns it, and whether it has changed.
    pub fn build(&mut self, sources: Sources<'_>) -> (Arc<tables::Clusters>, bool) {
        let mut has_changed = false;
        for name in std::mem::take(&mut self.changed) {
            let held = self.held.get(&name);
            match held.and_then(|held| held.slot.in_force()) {
                Some(cluster) => {
                    let source = sources.endpoints_of(cluster);
                    let built = self.states.build(cluster.settings.clone(), source);
                    self.in_force.insert(name, built);
                    has_changed = true;
                }
                None => has_changed |= self.in_force.remove(&name).is_some(),
            }
        }
        if !has_changed {
            return (Arc::clone(&self.table), false);
        }
        self.states.retain(|name| self.in_force.contains_key(name));
        self.table = Arc::new(self.in_force.values().cloned().collect());
        (Arc::clone(&self.table), true)
    }

    /// When something changes by itself.
    pub fn deadline(&self) -> Option<Instant> {
        let held = self.held.values();
        held.flat_map(|held| [held.leaves, held.slot.deadline()])
            .flatten()
            .min()
    }

    pub fn dump(&self) -> Vec<Held> {
        let held = self.held.iter();
        held.map(|(name, held)| Held {
            name: Arc::clone(name),
            record: Some(held.record.clone()),
            refusal: held.refusal.clone(),
            is_waiting: false,
        })
        .collect()
    }
}

impl Known {
    fn new(record: Record) -> Self {
        Self {
            record,
            refusal: None,
            is_compiled: false,
            slot: Slot::default(),
            leaves: None,
        }
    }

    fn compile(&mut self, name: &str, arrival: Arrival) -> Result<(), compile::Fault> {
        self.is_compiled = true;
        match compile::cluster(name, &self.record.body.value) {
            Ok(cluster) => {
                self.slot.offer(cluster, arrival.until);
                self.refusal = None;
                Ok(())
            }
            Err(fault) => {
                let version = &self.record.version;
                self.refusal = Some(Refusal::new(version, &fault, arrival.at));
                Err(fault)
            }
        }
    }

    /// Whether it was refused, and nothing came before it.
    fn is_useless(&self) -> bool {
        self.refusal.is_some() && self.slot.both().next().is_none()
    }
}

impl Sources<'_> {
    fn has_endpoints_of(&self, cluster: &compile::Cluster) -> bool {
        match &cluster.discovery {
            Discovery::OriginalDestination | Discovery::Static(_) => true,
            Discovery::Assignment(name) => {
                self.assignments.get(name).is_some_and(Entry::is_settled)
            }
            Discovery::Dns(_) => {
                let mut questions = questions_of(cluster).into_iter();
                questions.all(|question| self.answers.contains_key(&question))
            }
        }
    }

    fn endpoints_of(&self, cluster: &compile::Cluster) -> EndpointSource {
        let manner = Manner {
            weighs_localities: cluster.weighs_localities,
            sockets: &cluster.sockets,
        };
        match &cluster.discovery {
            Discovery::OriginalDestination => EndpointSource::OriginalDestination,
            Discovery::Static(found) => EndpointSource::List(endpoints(found, manner)),
            Discovery::Assignment(name) => match self.assignments.get(name) {
                Some(entry) if entry.is_settled() => {
                    let found = entry.slot.in_force();
                    let found = found.map(|found| endpoints(found, manner));
                    EndpointSource::List(found.unwrap_or_default())
                }
                _ => EndpointSource::Waiting,
            },
            Discovery::Dns(dns) => match self.has_endpoints_of(cluster) {
                true => {
                    let found = resolved(dns, manner, self.answers);
                    EndpointSource::List(found)
                }
                false => EndpointSource::Waiting,
            },
        }
    }
}

fn questions_of(cluster: &compile::Cluster) -> Vec<Question> {
    match &cluster.discovery {
        Discovery::Dns(dns) => questions(dns),
        _ => Vec::new(),
    }
}
