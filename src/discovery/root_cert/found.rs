//! The ConfigMap of one namespace, and what to do about it.
//!
//! Users who may write ConfigMaps in the namespace may write this one, too. They decide what its pods trust, but must
//! not hold up the mesh: a root that was once in the ConfigMap counts even if it is removed, and the wait for a
//! namespace in which it can't be written is limited.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{settings::Settings, wrong::Wrong};

/// The ConfigMap's key.
const KEY: &str = "root-cert.pem";
/// The label that marks our ConfigMaps; its value is the namespace of the installation.
const OWNER: &str = "pillion.io/discovery";
/// When to try again after a failed write.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// Istio's label of its own.
const ISTIO: (&str, &str) = ("istio.io/config", "true");
/// How long to wait before a problem of a namespace is reported again.
const SAID: Duration = Duration::from_mins(10);

/// What a namespace has.
#[derive(Debug, Default)]
pub(super) struct Found {
    map: Option<ConfigMap>,
    /// The roots in it, if it is ours.
    ours: Option<Bundle>,
    /// Roots that were in it, and that somebody has removed.
    reverted: Bundle,
    is_foreign: bool,
    /// Since when there have been roots that are not wanted.
    surplus: Option<Instant>,
    /// Since when the API server has answered, and roots that are wanted were never in it.
    lacking: Option<Instant>,
    /// When writing it failed last, or somebody removed roots from it.
    failed: Option<Instant>,
    /// When a problem with it was last reported.
    said: Option<Instant>,
}

/// What to do about a ConfigMap.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing, until something changes.
    Nothing,
    /// Look again after this time.
    Later(Duration),
    /// Write these roots now.
    Now(Bundle),
}

impl Found {
    /// Records the ConfigMap as it is now. Returns whether it has become another manager's.
    pub fn record(&mut self, map: Option<ConfigMap>, owner: &str) -> bool {
        let was_foreign = self.is_foreign;
        let is_ours = map.as_ref().is_some_and(|map| {
            let labels = map.metadata.labels.as_ref();
            let label = labels.and_then(|labels| labels.get(OWNER));
            label.is_some_and(|label| label == owner)
        });
        self.is_foreign = map.is_some() && !is_ours;
        let before = self.ours.take();
        self.ours = map.as_ref().filter(|_| is_ours).map(|map| {
            let text = map.data.as_ref().and_then(|data| data.get(KEY));
            text.map(|text| Bundle::from_pem_lossy(text))
                .unwrap_or_default()
        });
        let reverted = std::mem::take(&mut self.reverted).join(before.clone().unwrap_or_default());
        self.reverted = match &self.ours {
            _ if self.is_foreign => Bundle::default(),
            Some(present) => reverted.without(present),
            None => reverted,
        };
        // Somebody who keeps editing it must not make us write as often.
        let is_edited = before.zip(self.ours.as_ref());
        let is_edited = is_edited.is_some_and(|(before, now)| !now.contains(&before));
        self.failed = is_edited.then(Instant::now);
        self.map = map;
        self.is_foreign && !was_foreign
    }

    /// Records that writing it failed, and whether the API server refused it.
    pub fn record_failed(&mut self, is_refused: bool) {
        self.failed = Some(Instant::now());
        if !is_refused {
            // The API server did not answer, so the next attempt may succeed.
            self.lacking = None;
        }
    }

    /// The ConfigMap as it was seen last.
    pub fn map(&self) -> Option<&ConfigMap> {
        self.map.as_ref()
    }

    /// Whether the ConfigMap is ours.
    pub fn is_ours(&self) -> bool {
        self.ours.is_some()
    }

    /// The roots that are or were in the ConfigMap; `None` if a change of the CA does not wait for it: it is not ours, or
    /// can't be written.
    pub fn counted(&mut self, wanted: &Bundle, patience: Duration) -> Option<Bundle> {
        // We removed roots that are not wanted ourselves.
        self.reverted = std::mem::take(&mut self.reverted).within(wanted);
        let known = self.ours.clone()?.join(self.reverted.clone());
        if known.contains(wanted) {
            self.lacking = None;
        }
        (!self.is_out_of_patience(patience)).then_some(known)
    }

    fn is_out_of_patience(&self, patience: Duration) -> bool {
        let lacking = self.lacking.filter(|_| self.is_ours());
        lacking.is_some_and(|since| since.elapsed() >= patience)
    }

    /// Returns what is wrong with the ConfigMap, unless that was said lately.
    pub fn wrong(&mut self, wanted: &Bundle, patience: Duration) -> Option<Wrong> {
        let present = self.ours.as_ref()?;
        let is_reverted = self.reverted.shares_one_with(wanted) && !present.contains(wanted);
        let wrong = match is_reverted {
            true => Wrong::Reverted,
            false if self.is_out_of_patience(patience) => Wrong::Refused,
            false => return None,
        };
        if self.said.is_some_and(|said| said.elapsed() < SAID) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(wrong)
    }

    /// Returns what to do. Unwanted roots are removed after a delay.
    pub fn due(&mut self, wanted: &Bundle, removal_delay: Duration, now: OffsetDateTime) -> Due {
        if self.is_foreign {
            return Due::Nothing;
        }
        if let Some(failed) = self.failed {
            let left = RETRY.saturating_sub(failed.elapsed());
            if !left.is_zero() {
                return Due::Later(left);
            }
        }
        let Some(present) = &self.ours else {
            return Due::Now(wanted.clone());
        };
        if !present.contains(wanted) {
            self.lacking.get_or_insert_with(Instant::now);
            let present = present.clone().valid_at(now);
            return Due::Now(wanted.clone().join(present));
        }
        if present.clone().without(wanted).is_empty() {
            self.surplus = None;
            return Due::Nothing;
        }
        let since = *self.surplus.get_or_insert_with(Instant::now);
        let left = removal_delay.saturating_sub(since.elapsed());
        if left.is_zero() {
            Due::Now(wanted.clone())
        } else {
            Due::Later(left)
        }
    }

    /// Returns the ConfigMap with these roots.
    pub fn with(&self, roots: &Bundle, namespace: &str, settings: &Settings) -> ConfigMap {
        let mut map = self.map.clone().unwrap_or_else(|| ConfigMap {
            metadata: ObjectMeta {
                name: Some(settings.name.clone()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        });
        let labels = map.metadata.labels.get_or_insert_default();
        labels.insert(OWNER.to_owned(), settings.owner.clone());
        labels.insert(ISTIO.0.to_owned(), ISTIO.1.to_owned());
        map.data = Some(BTreeMap::from([(KEY.to_owned(), roots.to_pem())]));
        map
    }
}

#[cfg(test)]
pub(super) mod tests;
