//! One stream, from its first message to its end.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pillion_xds::{Layers, Snapshot, server::SentVersions};
use tokio::sync::watch;

use super::{
    attribution, attributions::Attributions, kind::kind_of, origin, registry::Proxies,
    standing::Standing,
};
use crate::{
    discovery::{
        report::{Report, Reports},
        status::{Board, Ended, Place, Refused},
    },
    model::{Key, ObjectRef},
};

/// Who is told of streams.
#[derive(Debug, Clone)]
pub(in crate::discovery) struct Tell {
    /// The list of streams.
    pub proxies: Proxies,
    /// What is known of the rules.
    pub board: Board,
    /// Events.
    pub reports: Reports,
    /// Where refusals are looked at more closely.
    pub attributions: Attributions,
}

/// A stream that is listed until this is dropped.
#[derive(Debug)]
pub(in crate::discovery) struct Tracked {
    tell: Tell,
    number: u64,
    pod: Key,
    /// What the proxy may see.
    snapshots: watch::Receiver<Snapshot>,
    kinds: Mutex<BTreeMap<&'static str, OfKind>>,
}

/// What is refused of a kind.
#[derive(Debug, Default)]
struct OfKind {
    standing: Standing,
    /// What the board was told.
    told: BTreeMap<ObjectRef, Arc<str>>,
}

impl Tracked {
    /// Lists a stream.
    pub fn new(
        tell: &Tell,
        pod: &Key,
        address: IpAddr,
        snapshots: watch::Receiver<Snapshot>,
    ) -> Self {
        Self {
            tell: tell.clone(),
            number: tell.proxies.add(pod, address),
            pod: pod.clone(),
            snapshots,
            kinds: Mutex::default(),
        }
    }

    /// Records which version the proxy says it has.
    pub fn version(&self, version: &str) {
        self.tell.proxies.set_version(self.number, version);
    }

    /// Records that the proxy holds all that it has asked for of a type, though nothing was sent.
    pub fn resumed(&self, type_url: &str) {
        if let Some(kind) = kind_of(type_url) {
            self.tell.proxies.update(self.number, kind, |progress| {
                progress.is_resumed = true;
            });
        }
    }

    /// Records a response.
    pub fn sent(&self, type_url: &str, nonce: &str, resources: usize) {
        let Some(kind) = kind_of(type_url) else {
            return;
        };
        let present = self.present(type_url);
        let mut kinds = self.kinds();
        let of_kind = kinds.entry(kind).or_default();
        of_kind.standing.sent(present.as_ref());
        drop(kinds);
        self.tell.proxies.update(self.number, kind, |progress| {
            progress.sent = Some((nonce.to_owned(), resources));
        });
    }

    /// Records that the proxy accepted a response.
    pub fn acked(self: &Arc<Self>, type_url: &str, nonce: &str) {
        let Some(kind) = kind_of(type_url) else {
            return;
        };
        self.change(kind, Standing::accept);
        self.answered(kind, nonce);
        // What there was no room for is tried again.
        self.attribute_later(kind, type_url);
    }

    /// Records that the proxy refused a response. Its reason is kept; whose rules that is about
    /// is found out later, and these are told then. `sent` tells which versions the proxy has.
    pub fn nacked(
        self: &Arc<Self>,
        type_url: &str,
        nonce: &str,
        text: &str,
        sent: SentVersions<'_>,
    ) {
        let Some(kind) = kind_of(type_url) else {
            return;
        };
        let present = self.present(type_url);
        let refusal = present
            .as_ref()
            .map(|present| attribution::refusal(text, present, sent));
        let refusal = refusal.unwrap_or_default();
        self.change(kind, |standing| {
            standing.refuse(refusal, text, present.as_ref());
        });
        self.answered(kind, nonce);
        self.attribute_later(kind, type_url);
    }

    fn attribute_later(self: &Arc<Self>, kind: &'static str, type_url: &str) {
        let mut kinds = self.kinds();
        let Some(of_kind) = kinds.get_mut(kind) else {
            return;
        };
        let standing = &mut of_kind.standing;
        if standing.is_queued || standing.open().is_empty() {
            return;
        }
        // A stream that has ended meanwhile needs nothing.
        let (tracked, type_url) = (Arc::downgrade(self), type_url.to_owned());
        standing.is_queued = self.tell.attributions.add(move || {
            if let Some(tracked) = tracked.upgrade() {
                tracked.attribute(kind, &type_url);
            }
        });
        if !standing.is_queued {
            tracing::debug!(pod = %self.pod, "too many refusals wait; this one is looked at after the proxy's next reply");
        }
    }

    /// Finds the rules that what is refused was made of, and tells their owners.
    fn attribute(&self, kind: &'static str, type_url: &str) {
        let open = match self.kinds().get_mut(kind) {
            Some(of_kind) => {
                of_kind.standing.is_queued = false;
                of_kind.standing.open()
            }
            None => return,
        };
        for named in open {
            let present = self.present(type_url);
            let resource = present
                .as_ref()
                .and_then(|present| present.get(&named.name));
            // Of a version that was replaced, nothing is left to read.
            let resource = resource.filter(|resource| resource.version == named.version);
            let rules = resource.map(|resource| origin::rules(resource, &named.parts));
            self.change(kind, |standing| {
                standing.attribute(&named, rules.unwrap_or_default());
            });
        }
    }

    /// Changes what is refused of a kind, and tells everybody.
    fn change(&self, kind: &'static str, change: impl FnOnce(&mut Standing)) {
        let mut kinds = self.kinds();
        let of_kind = kinds.entry(kind).or_default();
        change(&mut of_kind.standing);
        let rules = of_kind.standing.rules();
        let unknown = of_kind.standing.take_unknown();
        let place = self.place(kind);
        for rule in of_kind.told.keys().filter(|rule| !rules.contains_key(rule)) {
            let how = if unknown.contains(rule) {
                Ended::Unknown
            } else {
                Ended::Accepted
            };
            self.tell.board.no_longer_refused(&place, &[rule], how);
        }
        for (rule, reason) in &rules {
            if of_kind.told.get(rule) != Some(reason) {
                self.refuse(kind, rule, reason);
            }
        }
        let text = of_kind.standing.text();
        let names = rules.keys().map(ToString::to_string).collect();
        of_kind.told = rules;
        self.tell.proxies.update(self.number, kind, |progress| {
            progress.refusal = text.map(|text| (text, names));
        });
    }

    fn refuse(&self, kind: &'static str, rule: &ObjectRef, reason: &str) {
        let refused = Refused {
            pod: self.pod.to_string(),
            reason: reason.to_owned(),
        };
        let reference = self.tell.board.refused(&self.place(kind), rule, &refused);
        let Some(reference) = reference else { return };
        // One of many pods is enough.
        self.tell.reports.send_once(Report {
            reference,
            reason: "RefusedByProxy",
            action: "Configure",
            note: format!(
                "the proxy of the pod {} refused this rule and keeps its last good configuration: {reason}",
                self.pod
            ),
        });
    }

    fn answered(&self, kind: &'static str, nonce: &str) {
        self.tell.proxies.update(self.number, kind, |progress| {
            progress.answered = Some(nonce.to_owned());
        });
    }

    /// What the proxy should have at present.
    fn present(&self, type_url: &str) -> Option<Layers> {
        self.snapshots.borrow().get(type_url).cloned()
    }

    fn place(&self, kind: &'static str) -> Place {
        Place {
            stream: self.number,
            kind,
        }
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<&'static str, OfKind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.tell.proxies.remove(self.number);
        let kinds = std::mem::take(&mut *self.kinds());
        for (kind, of_kind) in kinds {
            let rules: Vec<_> = of_kind.told.keys().collect();
            let how = Ended::Unknown;
            self.tell
                .board
                .no_longer_refused(&self.place(kind), &rules, how);
        }
    }
}

#[cfg(test)]
mod tests;
