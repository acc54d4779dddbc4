//! Resources of one type that are compiled when they come.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use pillion_xds::Resource;
use tokio::time::Instant;

use super::{
    record::{Held, Record, Refusal, Refused},
    slot::Slot,
};
use crate::config::compile::Fault;

/// How many bytes a type's resources may have together: the server would not fill the
/// proxy's memory by many large ones.
pub(super) const MAX_BYTES: usize = 128 * 1024 * 1024;

/// When resources came, and until when they may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub at: SystemTime,
    pub until: Instant,
}

/// Resources of one type, by name.
#[derive(Debug)]
pub(super) struct Collection<T> {
    entries: BTreeMap<Arc<str>, Entry<T>>,
    bytes: usize,
    /// How many there may be.
    most: usize,
}

/// What is known of one name.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// The newest one that was not refused.
    record: Option<Record>,
    refusal: Option<Refusal>,
    pub slot: Slot<T>,
    /// The server has said that there is none.
    is_absent: bool,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            record: None,
            refusal: None,
            slot: Slot::default(),
            is_absent: false,
        }
    }
}

impl<T> Entry<T> {
    /// Whether there is nothing to wait for: one is in force, or there is none, or none that
    /// could be.
    pub fn is_settled(&self) -> bool {
        self.slot.in_force().is_some() || self.is_absent || self.has_only_refused()
    }

    fn has_only_refused(&self) -> bool {
        self.record.is_none() && self.refusal.is_some()
    }
}

impl<T> Collection<T> {
    /// An empty one.
    pub fn new(most: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
            most,
        }
    }

    /// Takes what the server has sent. Of what is refused, the last good one stays.
    pub fn apply(
        &mut self,
        changed: Vec<Resource>,
        arrival: Arrival,
        compile: impl Fn(&Resource) -> Result<T, Fault>,
    ) -> Vec<Refused> {
        let mut refused = Vec::new();
        for resource in changed {
            if let Err(fault) = self.take(&resource, arrival, &compile) {
                refused.push(Refused::new(resource.name, &fault));
            }
        }
        refused
    }

    fn take(
        &mut self,
        resource: &Resource,
        arrival: Arrival,
        compile: &impl Fn(&Resource) -> Result<T, Fault>,
    ) -> Result<(), Fault> {
        let known = self.entries.get(&resource.name);
        let is_same = known.is_some_and(|entry| entry.has(&resource.version));
        if !is_same {
            self.check_room(known, resource)?;
        }
        let entry = self.entries.entry(Arc::clone(&resource.name)).or_default();
        if is_same {
            entry.refusal = None;
            return Ok(());
        }
        match compile(resource) {
            Ok(value) => {
                self.bytes -= entry.bytes();
                entry.record = Some(Record {
                    version: Arc::clone(&resource.version),
                    body: resource.body.clone(),
                    updated: arrival.at,
                });
                self.bytes += entry.bytes();
                entry.refusal = None;
                entry.is_absent = false;
                entry.slot.offer(value, arrival.until);
                Ok(())
            }
            Err(fault) => {
                entry.refusal = Some(Refusal {
                    version: Arc::clone(&resource.version),
                    reason: Arc::from(fault.to_string()),
                    at: arrival.at,
                });
                Err(fault)
            }
        }
    }

    fn check_room(&self, known: Option<&Entry<T>>, resource: &Resource) -> Result<(), Fault> {
        if known.is_none() && self.entries.len() >= self.most {
            let reason = format!("there are {} already, which are the most", self.most);
            return Err(Fault::new("name", reason));
        }
        let others = self.bytes - known.map_or(0, Entry::bytes);
        if others + resource.body.value.len() > MAX_BYTES {
            let reason = format!("all of its type would have more than {MAX_BYTES} bytes");
            return Err(Fault::new("name", reason));
        }
        Ok(())
    }

    /// Takes the server's word that there is none of that name.
    pub fn set_absent(&mut self, name: &Arc<str>) {
        if !self.entries.contains_key(name) && self.entries.len() >= self.most {
            return;
        }
        let entry = self.entries.entry(Arc::clone(name)).or_default();
        self.bytes -= entry.bytes();
        entry.record = None;
        entry.refusal = None;
        entry.is_absent = true;
        entry.slot.withdraw();
    }

    /// Forgets it.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = self.entries.remove(name);
        self.bytes -= removed.as_ref().map_or(0, Entry::bytes);
        removed.is_some()
    }

    /// Forgets all others.
    pub fn retain(&mut self, names: &BTreeSet<Arc<str>>) {
        let bytes = &mut self.bytes;
        self.entries.retain(|name, entry| {
            let stays = names.contains(name);
            if !stays {
                *bytes -= entry.bytes();
            }
            stays
        });
    }

    pub fn get(&self, name: &str) -> Option<&Entry<T>> {
        self.entries.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entry<T>)> {
        self.entries.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Entry<T>)> {
        self.entries.iter_mut()
    }

    /// The end of the first wait.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = self.entries.values();
        deadlines.filter_map(|entry| entry.slot.deadline()).min()
    }

    pub fn dump(&self) -> Vec<Held> {
        let entries = self.entries.iter();
        let known = entries.filter(|(_, entry)| entry.record.is_some() || entry.refusal.is_some());
        known
            .map(|(name, entry)| Held {
                name: Arc::clone(name),
                record: entry.record.clone(),
                refusal: entry.refusal.clone(),
            })
            .collect()
    }
}

impl<T> Entry<T> {
    fn has(&self, version: &str) -> bool {
        let record = self.record.as_ref();
        record.is_some_and(|record| *record.version == *version)
    }

    fn bytes(&self) -> usize {
        self.record
            .as_ref()
            .map_or(0, |record| record.body.value.len())
    }
}
