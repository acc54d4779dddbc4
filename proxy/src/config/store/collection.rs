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
use crate::config::compile::{Fault, Faults};

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
    /// How many there is no room for.
    omitted: usize,
    limits: Limits,
}

/// How many resources there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of those that the server sends without being asked for each. As many more are known to be
    /// refused.
    pub most: usize,
    /// Names that always have a place.
    pub kept: &'static [&'static str],
}

impl Limits {
    /// For a type of which the server sends what it is asked for by name: so many are asked for.
    pub const AS_ASKED: Self = Self {
        most: usize::MAX,
        kept: &[],
    };
}

/// What became of a resource.
pub(super) struct Compiled<T> {
    /// What is put in force; without it, the last good one stays.
    pub value: Option<T>,
    /// What of the resource is not used.
    pub faults: Faults,
    /// Whether the resource is used, but for its faults.
    pub is_usable: bool,
}

impl<T> Compiled<T> {
    /// A resource that is used, but for these faults.
    pub fn used(value: T, faults: Faults) -> Self {
        Self {
            value: Some(value),
            faults,
            is_usable: true,
        }
    }

    /// A resource that is not used.
    pub fn refused(faults: impl Into<Faults>) -> Self {
        Self {
            value: None,
            faults: faults.into(),
            is_usable: false,
        }
    }

    /// The same, with something in its place where nothing is known that is better.
    pub fn with_stand_in(mut self, stand_in: Option<T>) -> Self {
        self.value = self.value.or(stand_in);
        self
    }
}

/// What is known of one name.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// The newest one that was not refused.
    record: Option<Record>,
    /// Whether a part of that one is not used.
    is_partial: bool,
    refusal: Option<Refusal>,
    pub slot: Slot<T>,
    absence: Option<Absence>,
    /// There is no room for it.
    is_omitted: bool,
}

/// Why there is no resource of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// The server has said so.
    Told,
    /// The server has not answered for long.
    NotAnswered,
    /// The server is not asked: there are too many names, or it can't be one.
    NotAsked,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            record: None,
            is_partial: false,
            refusal: None,
            slot: Slot::default(),
            absence: None,
            is_omitted: false,
        }
    }
}

impl<T> Entry<T> {
    /// Whether there is nothing to wait for: one is in force, or there is none, or none that
    /// could be.
    pub fn is_settled(&self) -> bool {
        self.slot.in_force().is_some() || self.absence.is_some() || self.has_only_refused()
    }

    /// Why there is none.
    pub fn absence(&self) -> Option<Absence> {
        self.absence
    }

    /// Whether one is in force that the server has sent, or none is to be expected.
    pub fn is_good(&self) -> bool {
        matches!(self.absence, Some(Absence::Told | Absence::NotAsked))
            || self.record.is_some() && self.slot.in_force().is_some()
    }

    /// Whether it was refused because there is no room for it.
    pub fn is_omitted(&self) -> bool {
        self.is_omitted
    }

    /// Whether nothing good is known of it, and something that was refused.
    pub fn has_only_refused(&self) -> bool {
        self.record.is_none() && self.refusal.is_some()
    }

    /// Why the newest one is not used, or not as a whole.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }
}

impl<T> Collection<T> {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
            omitted: 0,
            limits,
        }
    }

    /// Takes what the server has sent. Of what is refused, the last good one stays. `omit` makes
    /// what takes the place of one that there is no room for.
    pub fn apply(
        &mut self,
        changed: Vec<Resource>,
        arrival: Arrival,
        compile: impl Fn(&Resource, Option<&T>) -> Compiled<T>,
        omit: impl Fn(&Resource, &Fault) -> Option<T>,
    ) -> Vec<Refused> {
        let mut refused = Vec::new();
        for resource in changed {
            let (faults, is_used) = match self.check_room(&resource) {
                Ok(()) => self.take(&resource, arrival, &compile),
                Err(fault) => {
                    self.omit(&resource, arrival, &fault, &omit);
                    (fault.into(), false)
                }
            };
            if !faults.is_empty() {
                let of = (resource.name, resource.version);
                refused.push(Refused::new(of, &faults, is_used));
            }
        }
        refused
    }

    /// Returns what of it is refused, and whether it is used all the same.
    fn take(
        &mut self,
        resource: &Resource,
        arrival: Arrival,
        compile: &impl Fn(&Resource, Option<&T>) -> Compiled<T>,
    ) -> (Faults, bool) {
        let entry = self.entries.entry(Arc::clone(&resource.name)).or_default();
        self.omitted -= usize::from(std::mem::take(&mut entry.is_omitted));
        if entry.has(&resource.version) {
            entry.refusal = None;
            return (Faults::default(), true);
        }
        let Compiled {
            value,
            faults,
            is_usable,
        } = compile(resource, entry.slot.newest());
        if is_usable {
            self.bytes -= entry.bytes();
            entry.record = Some(Record {
                version: Arc::clone(&resource.version),
                body: resource.body.clone(),
                updated: arrival.at,
            });
            entry.is_partial = !faults.is_empty();
            self.bytes += entry.bytes();
        }
        entry.refusal =
            (!faults.is_empty()).then(|| Refusal::new(&resource.version, &faults, arrival.at));
        if let Some(value) = value {
            entry.absence = None;
            entry.slot.offer(value, arrival.until);
        }
        (faults, is_usable)
    }

    /// Notes that there is no room for a resource. Of what is known already, the last one stays.
    fn omit(
        &mut self,
        resource: &Resource,
        arrival: Arrival,
        fault: &Fault,
        stand_in: &impl Fn(&Resource, &Fault) -> Option<T>,
    ) {
        let is_new = !self.entries.contains_key(&resource.name);
        if is_new && self.entries.len() >= self.limits.most.saturating_mul(2) {
            return;
        }
        let entry = self.entries.entry(Arc::clone(&resource.name)).or_default();
        self.omitted += usize::from(is_new);
        entry.is_omitted |= is_new;
        entry.refusal = Some(Refusal::new(&resource.version, fault, arrival.at));
        if is_new && let Some(stand_in) = stand_in(resource, fault) {
            entry.slot.offer(stand_in, arrival.until);
        }
    }

    fn check_room(&self, resource: &Resource) -> Result<(), Fault> {
        let known = self.entries.get(&resource.name);
        let has_place = known.is_some_and(|entry| !entry.is_omitted)
            || self.limits.kept.contains(&&*resource.name);
        let most = self.limits.most;
        if !has_place && self.entries.len() - self.omitted >= most {
            let reason = format!("there are {most} already, which are the most");
            return Err(Fault::new("name", reason));
        }
        let others = self.bytes - known.map_or(0, Entry::bytes);
        let is_kept = self.limits.kept.contains(&&*resource.name);
        if !is_kept && others + resource.body.value.len() > MAX_BYTES {
            let reason = format!("all of its type would have more than {MAX_BYTES} bytes");
            return Err(Fault::new("name", reason));
        }
        Ok(())
    }

    /// Marks the name as absent.
    pub fn set_absent(&mut self, name: &Arc<str>, absence: Absence) {
        let entry = self.entries.entry(Arc::clone(name)).or_default();
        self.bytes -= entry.bytes();
        entry.record = None;
        entry.refusal = None;
        entry.absence = Some(absence);
        entry.slot.withdraw();
    }

    /// Forgets it.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = self.entries.remove(name);
        self.omitted -= usize::from(removed.as_ref().is_some_and(|entry| entry.is_omitted));
        self.bytes -= removed.as_ref().map_or(0, Entry::bytes);
        removed.is_some()
    }

    /// Forgets all others.
    pub fn retain(&mut self, names: &BTreeSet<Arc<str>>) {
        let (bytes, omitted) = (&mut self.bytes, &mut self.omitted);
        self.entries.retain(|name, entry| {
            let stays = names.contains(name);
            if !stays {
                *bytes -= entry.bytes();
                *omitted -= usize::from(entry.is_omitted);
            }
            stays
        });
    }

    /// How many are refused, as a whole or in part.
    pub fn refused(&self) -> usize {
        let entries = self.entries.values();
        entries.filter(|entry| entry.refusal.is_some()).count()
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
                is_waiting: entry.slot.pending().is_some(),
            })
            .collect()
    }
}

impl<T> Entry<T> {
    /// Whether that version is in use as a whole. One that was refused in part is compiled
    /// once more when it comes again: there may be room for it now.
    fn has(&self, version: &str) -> bool {
        let record = self.record.as_ref();
        !self.is_partial && record.is_some_and(|record| *record.version == *version)
    }

    fn bytes(&self) -> usize {
        self.record
            .as_ref()
            .map_or(0, |record| record.body.value.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pillion_envoy_api::Any;

    use super::*;

    fn resource(name: &str) -> Resource {
        Resource::new(name, Any::default())
    }

    fn take(collection: &mut Collection<&'static str>, names: &[&str]) -> Vec<String> {
        let now = Instant::now();
        let arrival = Arrival {
            at: SystemTime::UNIX_EPOCH,
            until: now + Duration::from_secs(1),
        };
        let refused = collection.apply(
            names.iter().map(|name| resource(name)).collect(),
            arrival,
            |_, _| Compiled::used("good", Faults::default()),
            |_, _| Some("stand-in"),
        );
        for (_, entry) in collection.iter_mut() {
            entry.slot.promote(now, |_| true);
        }
        refused.iter().map(|one| one.name.to_string()).collect()
    }

    fn serves(collection: &Collection<&'static str>, name: &str) -> Option<&'static str> {
        let entry = collection.get(name)?;
        entry.slot.in_force().map(|value| **value)
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_is_no_room_for_refuses_and_others_keep_their_places() {
        let limits = Limits {
            most: 2,
            kept: &["kept"],
        };
        let mut all = Collection::new(limits);
        let refused = take(&mut all, &["a", "b", "c", "d", "e"]);
        assert_eq!(refused, ["c", "d", "e"]);
        assert_eq!(
            (serves(&all, "b"), serves(&all, "c")),
            (Some("good"), Some("stand-in"))
        );
        assert!(all.get("c").unwrap().is_omitted());
        // So many are known, and no more.
        assert_eq!((all.refused(), serves(&all, "e")), (2, None));
        assert_eq!(take(&mut all, &["kept", "a"]), [""; 0]);
        assert_eq!(serves(&all, "kept"), Some("good"));
        // Once there is room, they come again.
        for name in ["a", "kept"] {
            all.remove(name);
        }
        assert_eq!(take(&mut all, &["c"]), [""; 0]);
        assert_eq!(serves(&all, "c"), Some("good"));
        assert!(!all.get("c").unwrap().is_omitted());
        assert_eq!(take(&mut all, &["d"]), ["d"]);
    }
}
