//! What is known of the objects, and which statuses are due.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::{
    Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
};
use serde_json::{Map, Value};
use tokio::{sync::Notify, time::Instant};

use super::{
    checked::Checked,
    desired::{Desired, Facts, says_refused},
    due::Due,
    refusal::{Ended, Place, Refused},
};
use crate::{
    discovery::convert::{kind::kind, meta::key},
    model::{Finding, Key, Kind, ObjectRef},
};

/// How long a change waits for those that belong to it: what a new rule leads to is found a
/// moment after the rule itself.
const SETTLE: Duration = Duration::from_secs(2);
/// How often the status of one object is written at most, whatever proxies do.
const EACH: Duration = Duration::from_secs(10);
/// How many objects are looked at in one go: whoever has something to tell waits meanwhile.
const AT_ONCE: usize = 64;
/// By which factor the wait for the next attempt grows at most.
const MOST_OFTEN_DOUBLED: u32 = 32;
/// The longest wait for the next attempt.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// How long a status says that a proxy refused the object, after the proxy is no longer seen here: by
/// then, it has connected again, and has said what it makes of the object.
const LAPSE: Duration = Duration::from_mins(5);
/// A longer current status is not kept, but replaced.
const LONGEST: usize = 64 * 1024;
/// The fields of a status that are written here.
const FIELDS: [&str; 3] = ["conditions", "validationMessages", "observedGeneration"];

/// What is known of the objects. It is shared; nothing that is told to it waits.
#[derive(Debug, Clone, Default)]
pub(in crate::discovery) struct Board(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    leads: bool,
    /// Since when.
    led_since: Option<Instant>,
    /// Whether the findings are known: a status without them would soon be replaced.
    is_complete: bool,
    objects: HashMap<ObjectRef, Entry>,
    findings: HashMap<ObjectRef, Vec<Finding>>,
    /// Counts the valid specs that were seen, by kind.
    seen: BTreeMap<Kind, u64>,
    /// Up to which of these the findings are about.
    analysed: BTreeMap<Kind, u64>,
    /// The objects whose statuses wait for findings that are about their present specs.
    waiting: HashSet<ObjectRef>,
    refusals: HashMap<ObjectRef, BTreeMap<Place, Refused>>,
    /// When the statuses are due that may have changed.
    due: Due,
    /// When statuses no longer say that a proxy refused the object.
    lapses: Due,
}

/// An object.
#[derive(Debug)]
struct Entry {
    resource: ApiResource,
    reference: ObjectReference,
    /// `metadata.resourceVersion`, which kube's references lack.
    version: String,
    generation: i64,
    checked: Checked,
    /// Whether the model has a version of it, this one or one before.
    has_valid: bool,
    /// Its number among the specs of its kind, if it is valid.
    seen: u64,
    /// Whether proxies of this replica refused what was made of it, and the last of them accepts it now.
    is_accepted: bool,
    /// Since when it is not known whether a proxy that was connected here still refuses it.
    unknown_since: Option<Instant>,
    /// How often in a row its status could not be written.
    failures: u32,
    /// Its status, as far as it is written here.
    current: Option<Value>,
    /// What was written last, or was there already. Another writer (another revision) is
    /// not contradicted until there is something new to say.
    last: Option<Desired>,
    written: Option<Instant>,
}

/// A status to write.
#[derive(Debug)]
pub(super) struct Job {
    pub object: ObjectRef,
    pub resource: ApiResource,
    /// The object's version; another one is another status's.
    pub version: String,
    /// The fields of `status` to merge.
    pub status: Value,
    desired: Desired,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Write a status.
    Write(Box<Job>),
    /// Look again at that time.
    At(Instant),
    /// Wait for a change.
    Nothing,
}

impl Board {
    /// Records an object that is new or has changed, and what reading it has found. Returns the number
    /// of a spec that is new and valid, among those of its kind: the object is analysed once the
    /// findings are about this number ([`Self::found`]).
    pub fn seen(
        &self,
        kind: pillion_api::Kind,
        resource: &ApiResource,
        object: &DynamicObject,
        checked: Checked,
    ) -> Option<u64> {
        let reference = ObjectRef {
            kind: self::kind(kind),
            key: key(object),
        };
        let mut state = self.state();
        let before = state.objects.remove(&reference);
        let is_valid = checked.faults.is_empty();
        // The model knows objects by their names.
        let has_valid = is_valid
            || checked.is_in_part
            || before.as_ref().is_some_and(|before| before.has_valid);
        let uid = &object.metadata.uid;
        let same = before.filter(|before| before.reference.uid == *uid);
        let generation = object.metadata.generation.unwrap_or_default();
        let is_new = !same
            .as_ref()
            .is_some_and(|same| same.generation == generation && same.checked == checked);
        let number = (is_new && is_valid).then(|| {
            let seen = state.seen.entry(reference.kind).or_default();
            *seen += 1;
            *seen
        });
        let same = same.as_ref();
        let entry = Entry {
            resource: resource.clone(),
            reference: object.object_ref(resource),
            version: object.resource_version().unwrap_or_default(),
            generation,
            checked,
            has_valid,
            seen: number.or(same.map(|same| same.seen)).unwrap_or_default(),
            is_accepted: !is_new && same.is_some_and(|same| same.is_accepted),
            unknown_since: same.and_then(|same| same.unknown_since),
            failures: same.map_or(0, |same| same.failures),
            current: current(object),
            last: same.and_then(|same| same.last.clone()),
            written: same.and_then(|same| same.written),
        };
        state.objects.insert(reference.clone(), entry);
        if is_new {
            state.renew(&reference);
        }
        drop(state);
        self.0.changed.notify_one();
        number
    }

    /// Records that an object was deleted.
    pub fn gone(&self, kind: pillion_api::Kind, key: &Key) {
        let reference = ObjectRef {
            kind: self::kind(kind),
            key: key.clone(),
        };
        let mut state = self.state();
        state.objects.remove(&reference);
        state.due.remove(&reference);
        state.lapses.remove(&reference);
        state.waiting.remove(&reference);
    }

    /// Records all findings of the model, and up to which numbers of specs they are about.
    pub fn found(&self, findings: Vec<Finding>, analysed: BTreeMap<Kind, u64>) {
        let mut new: HashMap<ObjectRef, Vec<Finding>> = HashMap::new();
        // Services have no status of ours.
        let about_rules = findings
            .into_iter()
            .filter(|finding| finding.object.kind != Kind::Service);
        for finding in about_rules {
            new.entry(finding.object.clone()).or_default().push(finding);
        }
        let mut state = self.state();
        let old = std::mem::take(&mut state.findings);
        let changed: Vec<_> = old
            .keys()
            .chain(new.keys())
            .filter(|object| old.get(*object) != new.get(*object))
            .cloned()
            .collect();
        state.findings = new;
        state.analysed = analysed;
        state.is_complete = true;
        for object in &changed {
            state.renew(object);
        }
        let now = Instant::now();
        for object in std::mem::take(&mut state.waiting) {
            state.touch_at(&object, now);
        }
        drop(state);
        self.0.changed.notify_one();
    }

    /// Records that a proxy refuses what was made of an object. Returns the reference to it, for
    /// an Event, if it exists.
    pub fn refused(
        &self,
        place: &Place,
        object: &ObjectRef,
        refused: &Refused,
    ) -> Option<ObjectReference> {
        let mut state = self.state();
        let entry = state.objects.get_mut(object)?;
        entry.is_accepted = false;
        let reference = entry.reference.clone();
        let all = state.refusals.entry(object.clone()).or_default();
        let before = all.insert(place.clone(), refused.clone());
        if before.as_ref() != Some(refused) {
            state.touch(object);
        }
        drop(state);
        self.0.changed.notify_one();
        Some(reference)
    }

    /// Records that a proxy no longer refuses what was made of these objects, or that this is no longer
    /// known.
    pub fn no_longer_refused(&self, place: &Place, objects: &[&ObjectRef], how: Ended) {
        if objects.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        for object in objects.iter().copied() {
            let Some(all) = state.refusals.get_mut(object) else {
                continue;
            };
            if all.remove(place).is_none() {
                continue;
            }
            let is_last = all.is_empty();
            if is_last {
                state.refusals.remove(object);
            }
            if let Some(entry) = state.objects.get_mut(object) {
                match how {
                    Ended::Accepted => {
                        let unknown = entry.unknown_since.map(|since| since + LAPSE);
                        entry.is_accepted = is_last && unknown.is_none_or(|lapse| lapse <= now);
                    }
                    Ended::Unknown => {
                        entry.is_accepted = false;
                        entry.unknown_since = Some(now);
                    }
                }
            }
            state.touch(object);
        }
        drop(state);
        self.0.changed.notify_one();
    }

    /// Records whether this replica writes. When it begins to, all statuses are looked at.
    pub(super) fn lead(&self, leads: bool) {
        let mut state = self.state();
        if leads && !state.leads {
            state.is_complete = false;
            let now = Instant::now();
            state.led_since = Some(now);
            let objects: Vec<_> = state.objects.keys().cloned().collect();
            for object in objects {
                if let Some(entry) = state.objects.get_mut(&object) {
                    entry.last = None;
                }
                state.due.set(&object, now + SETTLE);
            }
        }
        state.leads = leads;
        if !leads {
            state.due.clear();
            state.lapses.clear();
            state.waiting.clear();
        }
    }

    /// Waits until something may be due that was not before.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The status that is due first, if one is.
    pub(super) fn next(&self, now: Instant) -> Next {
        let mut state = self.state();
        if !state.is_complete {
            return Next::Nothing;
        }
        for _ in 0..AT_ONCE {
            let Some(object) = state.lapses.take(now) else {
                break;
            };
            state.due.add(&object, now);
        }
        for _ in 0..AT_ONCE {
            let Some(object) = state.due.take(now) else {
                break;
            };
            if let Some(job) = state.job(object, now) {
                return Next::Write(Box::new(job));
            }
        }
        let first = state.due.first().into_iter().chain(state.lapses.first());
        first.min().map_or(Next::Nothing, Next::At)
    }

    /// Records that a status was written; `object` is the answer.
    pub(super) fn written(&self, job: Job, object: &DynamicObject, now: Instant) {
        let mut state = self.state();
        if let Some(entry) = state.objects.get_mut(&job.object) {
            entry.last = Some(job.desired);
            entry.written = Some(now);
            entry.failures = 0;
            // The watch may have brought something newer already.
            if entry.version == job.version {
                entry.version = object.resource_version().unwrap_or_default();
                entry.current = current(object);
            }
        }
    }

    /// Records that a status could not be written: it is due again after this time, or longer
    /// the more often that happens. Returns how often it has in a row, if the object still exists.
    pub(super) fn failed(&self, job: &Job, wait: Duration) -> Option<u32> {
        let mut state = self.state();
        let entry = state.objects.get_mut(&job.object)?;
        entry.failures = entry.failures.saturating_add(1);
        let failures = entry.failures;
        let factor = 2_u32.saturating_pow(failures - 1).min(MOST_OFTEN_DOUBLED);
        let wait = (wait * factor).min(LONGEST_WAIT);
        state.due.set(&job.object, Instant::now() + wait);
        Some(failures)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes a status due after those changes that belong to the same one.
    fn touch(&mut self, object: &ObjectRef) {
        self.touch_at(object, Instant::now() + SETTLE);
    }

    /// Makes a status due of which something else is known than proxies say: soon, also if it could not
    /// be written before.
    fn renew(&mut self, object: &ObjectRef) {
        let at = Instant::now() + SETTLE;
        self.touch_at(object, at);
        let written = self.objects.get(object).and_then(|entry| entry.written);
        let due = written.map_or(at, |written| at.max(written + EACH));
        self.due.advance(object, due);
    }

    /// Makes a status due, not too soon after the last one.
    fn touch_at(&mut self, object: &ObjectRef, at: Instant) {
        if !self.leads {
            return;
        }
        let Some(entry) = self.objects.get(object) else {
            return;
        };
        let due = entry.written.map_or(at, |written| at.max(written + EACH));
        self.due.add(object, due);
    }

    /// Whether the findings are about the present spec of an object. Those about an invalid one
    /// are its faults.
    fn is_analysed(&self, object: &ObjectRef, entry: &Entry) -> bool {
        let analysed = self.analysed.get(&object.kind).copied();
        !entry.checked.faults.is_empty() || entry.seen <= analysed.unwrap_or_default()
    }

    /// The status of an object, if there is something new to say.
    fn job(&mut self, object: ObjectRef, now: Instant) -> Option<Job> {
        let entry = self.objects.get(&object)?;
        if !self.is_analysed(&object, entry) {
            self.waiting.insert(object);
            return None;
        }
        let refusals: Vec<_> = self
            .refusals
            .get(&object)
            .into_iter()
            .flat_map(BTreeMap::values)
            .collect();
        let findings = self.findings.get(&object).map(Vec::as_slice);
        let led_since = self.led_since;
        let entry = self.objects.get_mut(&object)?;
        let says_refused = refusals.is_empty()
            && !entry.is_accepted
            && says_refused(entry.current.as_ref(), entry.generation);
        // A change of the leader is like a connection that ended.
        let since = led_since.max(entry.unknown_since);
        let lapse = since.map_or(now, |since| since + LAPSE);
        let was_refused = says_refused && now < lapse;
        if was_refused {
            self.lapses.set(&object, lapse);
        }
        let is_valid = entry.checked.faults.is_empty();
        let desired = Desired::of(Facts {
            generation: entry.generation,
            checked: &entry.checked,
            has_valid: entry.has_valid,
            // Those about an invalid object are about the version before it.
            findings: findings.filter(|_| is_valid).unwrap_or_default(),
            refusals: &refusals,
            was_refused,
        });
        if entry.last.as_ref() == Some(&desired) {
            return None;
        }
        let Some(status) = desired.patch(entry.current.as_ref(), Timestamp::now()) else {
            entry.last = Some(desired);
            return None;
        };
        Some(Job {
            object,
            resource: entry.resource.clone(),
            version: entry.version.clone(),
            status,
            desired,
        })
    }
}

/// What an object's status says, as far as it is written here.
fn current(object: &DynamicObject) -> Option<Value> {
    let status = object.data.get("status")?.as_object()?;
    let known = status
        .iter()
        .filter(|(name, _)| FIELDS.contains(&name.as_str()));
    let known: Map<_, _> = known
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let known = Value::Object(known);
    (known.to_string().len() <= LONGEST).then_some(known)
}

#[cfg(test)]
mod tests;
