//! A webhook configuration whose caBundle is managed, and the next action for it.

use std::time::Duration;

use json_patch::Patch;
use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    configuration::{addition, entries, is_kept_by_others, replacement, surplus},
    kind::Kind,
};

/// When to retry after a denial. RBAC may be set up after the process has started.
pub(super) const DENIED: Duration = Duration::from_secs(30);
/// The minimum time between two patches, because somebody else may keep reverting the
/// bundle. It doubles with each failure.
pub(super) const GAP: Duration = Duration::from_secs(1);

/// How often [`GAP`] doubles at most.
const DOUBLINGS: u32 = 6;

/// A webhook configuration.
#[derive(Debug)]
pub(super) struct Kept<K> {
    pub configuration: K,
    /// The last time that a patch failed since we were denied permission to patch it. A
    /// configuration with our revision's label that is not our chart's is somebody else's
    /// to manage, and must not be waited for.
    pub denied: Option<Instant>,
    /// The last time that it was patched, or a patch failed.
    tried: Option<Instant>,
    /// The number of consecutive patches that failed.
    failures: u32,
    /// The trusted roots that are not wanted, and since when they have been unneeded.
    surplus: Option<(Bundle, Instant)>,
}

/// The next action for a configuration.
#[derive(Debug)]
pub(super) enum Due {
    /// Nothing, until something changes.
    Nothing,
    /// Check it again after this time.
    Later(Duration),
    /// Apply this patch now.
    Now(Patch),
}

impl<K: Kind> Kept<K> {
    pub fn new(configuration: K) -> Self {
        Self {
            configuration,
            denied: None,
            tried: None,
            failures: 0,
            surplus: None,
        }
    }

    /// Returns the next action. Unneeded roots are removed after a delay.
    pub fn due(&mut self, wanted: &Bundle, removal_delay: Duration, now: OffsetDateTime) -> Due {
        if is_kept_by_others(&self.configuration) {
            return Due::Nothing;
        }
        if let Some(left) = left(self.denied, DENIED) {
            return Due::Later(left);
        }
        let until_removal = self.time_until_removal(wanted, removal_delay);
        let patch = match until_removal {
            Some(Duration::ZERO) => replacement(&self.configuration, wanted),
            _ => addition(&self.configuration, wanted, now),
        };
        match (patch, left(self.tried, self.gap())) {
            (Some(patch), None) => Due::Now(patch),
            (Some(_), Some(gap)) => Due::Later(gap),
            (None, _) => until_removal.map_or(Due::Nothing, Due::Later),
        }
    }

    /// Records a patch that succeeded.
    pub fn record_patched(&mut self, patched: K) {
        self.configuration = patched;
        self.denied = None;
        self.tried = Some(Instant::now());
        self.failures = 0;
    }

    /// Records that permission to patch it was denied. Returns whether that is new.
    pub fn record_denied(&mut self) -> bool {
        self.denied.replace(Instant::now()).is_none()
    }

    /// Records a patch that failed. Returns how long to wait before the next one.
    pub fn record_failed(&mut self) -> Duration {
        let now = Instant::now();
        self.tried = Some(now);
        self.failures += 1;
        if self.denied.is_some() {
            // After a denial, only a patch that succeeds makes the configuration ours again.
            self.denied = Some(now);
            return DENIED;
        }
        self.gap()
    }

    fn gap(&self) -> Duration {
        GAP * 2_u32.pow(self.failures.saturating_sub(1).min(DOUBLINGS))
    }

    /// Whether it is this process' task to manage its bundles.
    pub fn is_ours(&self) -> bool {
        self.denied.is_none() && self.has_webhooks() && !is_kept_by_others(&self.configuration)
    }

    /// Whether somebody else manages its bundles.
    pub fn is_of_others(&self) -> bool {
        self.has_webhooks() && is_kept_by_others(&self.configuration)
    }

    /// Returns the time until the unneeded roots are removed; `None` if there are none.
    fn time_until_removal(&mut self, wanted: &Bundle, removal_delay: Duration) -> Option<Duration> {
        let surplus = surplus(&self.configuration, wanted);
        if surplus.is_empty() {
            self.surplus = None;
            return None;
        }
        let since = match &self.surplus {
            Some((before, since)) if before.contains(&surplus) => *since,
            _ => Instant::now(),
        };
        self.surplus = Some((surplus, since));
        Some(removal_delay.saturating_sub(since.elapsed()))
    }

    /// Whether it contains webhooks of the role.
    pub fn has_webhooks(&self) -> bool {
        entries(&self.configuration).next().is_some()
    }

    /// Whether each bundle has any content.
    pub fn is_set(&self) -> bool {
        entries(&self.configuration).all(|entry| entry.is_set)
    }

    /// Whether it makes API servers trust at least one of these roots.
    pub fn trusts_one(&self, wanted: &Bundle) -> bool {
        entries(&self.configuration).all(|entry| entry.roots.shares_one_with(wanted))
    }

    /// Whether it makes API servers trust all of these roots.
    pub fn trusts(&self, wanted: &Bundle) -> bool {
        entries(&self.configuration).all(|entry| entry.roots.contains(wanted))
    }

    /// Returns the bundles of its webhooks.
    pub fn bundles(&self) -> impl Iterator<Item = Bundle> {
        entries(&self.configuration).map(|entry| entry.roots)
    }

    /// Whether we may not patch it, but it makes API servers trust one of these roots: they
    /// call the role, and would fail if it used another root.
    pub fn is_denied_and_trusts(&self, wanted: &Bundle) -> bool {
        let mut bundles = self.bundles();
        self.denied.is_some() && bundles.any(|roots| roots.shares_one_with(wanted))
    }
}

fn left(since: Option<Instant>, wait: Duration) -> Option<Duration> {
    let left = wait.saturating_sub(since?.elapsed());
    (!left.is_zero()).then_some(left)
}
