//! A webhook configuration that is kept, and what is due for it.

use std::time::Duration;

use json_patch::Patch;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::configuration::{addition, entries, is_kept_by_others, replacement, surplus};

/// How long a denial is believed. RBAC may come through after the injector has started.
pub(super) const DENIED: Duration = Duration::from_secs(30);
/// The least time between two patches: somebody else may set the bundle back for
/// as long as we do. It doubles with each failure.
pub(super) const GAP: Duration = Duration::from_secs(1);

/// So many times at most.
const DOUBLINGS: u32 = 6;

/// A webhook configuration.
#[derive(Debug)]
pub(super) struct Kept {
    pub configuration: MutatingWebhookConfiguration,
    /// When it was last asked for after it was said that we may not patch it. If it
    /// carries our revision's label and is not of our chart, it is somebody else's to
    /// keep, and not to wait for.
    pub denied: Option<Instant>,
    /// When it was last patched, or that was tried.
    tried: Option<Instant>,
    /// How many patches in a row failed.
    failures: u32,
    /// What is trusted beyond what is wanted, and since when.
    surplus: Option<(Bundle, Instant)>,
}

/// What is due for a configuration.
#[derive(Debug)]
pub(super) enum Due {
    /// Nothing, until something changes.
    Nothing,
    /// A look at it after a while.
    Later(Duration),
    /// A patch.
    Now(Patch),
}

impl Kept {
    pub fn new(configuration: MutatingWebhookConfiguration) -> Self {
        Self {
            configuration,
            denied: None,
            tried: None,
            failures: 0,
            surplus: None,
        }
    }

    /// What is due. Roots that are not wanted are taken out when they have stood
    /// for a while.
    pub fn due(&mut self, wanted: &Bundle, stand: Duration, now: OffsetDateTime) -> Due {
        if is_kept_by_others(&self.configuration) {
            return Due::Nothing;
        }
        if let Some(left) = left(self.denied, DENIED) {
            return Due::Later(left);
        }
        let stands = self.surplus_stands(wanted, stand);
        let patch = match stands {
            Some(Duration::ZERO) => replacement(&self.configuration, wanted),
            _ => addition(&self.configuration, wanted, now),
        };
        match (patch, left(self.tried, self.gap())) {
            (Some(patch), None) => Due::Now(patch),
            (Some(_), Some(gap)) => Due::Later(gap),
            (None, _) => stands.map_or(Due::Nothing, Due::Later),
        }
    }

    /// Records a patch that succeeded.
    pub fn record_patched(&mut self, patched: MutatingWebhookConfiguration) {
        self.configuration = patched;
        self.denied = None;
        self.tried = Some(Instant::now());
        self.failures = 0;
    }

    /// Records that we may not patch it; returns whether that is new.
    pub fn record_denied(&mut self) -> bool {
        self.denied.replace(Instant::now()).is_none()
    }

    /// Records a patch that failed; returns how long to wait before the next.
    pub fn record_failed(&mut self) -> Duration {
        let now = Instant::now();
        self.tried = Some(now);
        self.failures += 1;
        if self.denied.is_some() {
            // Once we may not, it takes more than another failure to be ours.
            self.denied = Some(now);
            return DENIED;
        }
        self.gap()
    }

    fn gap(&self) -> Duration {
        GAP * 2_u32.pow(self.failures.saturating_sub(1).min(DOUBLINGS))
    }

    /// Whether it is for us to bring about that its bundles are right.
    pub fn is_ours(&self) -> bool {
        self.denied.is_none() && self.has_webhooks() && !is_kept_by_others(&self.configuration)
    }

    /// Whether somebody else does.
    pub fn is_of_others(&self) -> bool {
        self.has_webhooks() && is_kept_by_others(&self.configuration)
    }

    /// How long the surplus may still stand; `None` where there is none.
    fn surplus_stands(&mut self, wanted: &Bundle, stand: Duration) -> Option<Duration> {
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
        Some(stand.saturating_sub(since.elapsed()))
    }

    /// Whether there are webhooks of an injector in it.
    pub fn has_webhooks(&self) -> bool {
        entries(&self.configuration).next().is_some()
    }

    /// Whether each bundle is set, to whatever.
    pub fn is_set(&self) -> bool {
        entries(&self.configuration).all(|entry| entry.is_set)
    }

    /// Whether API servers that go by it trust one of these.
    pub fn trusts_one(&self, wanted: &Bundle) -> bool {
        entries(&self.configuration).all(|entry| entry.roots.shares_one_with(wanted))
    }

    /// Whether API servers that go by it trust all of these.
    pub fn trusts(&self, wanted: &Bundle) -> bool {
        entries(&self.configuration).all(|entry| entry.roots.contains(wanted))
    }

    /// The bundles of its webhooks.
    pub fn bundles(&self) -> impl Iterator<Item = Bundle> {
        entries(&self.configuration).map(|entry| entry.roots)
    }

    /// Whether we may not patch it, but its API servers trust one of these: they call
    /// us, and would fail to if the others were in use.
    pub fn is_denied_and_trusts(&self, wanted: &Bundle) -> bool {
        let mut bundles = self.bundles();
        self.denied.is_some() && bundles.any(|roots| roots.shares_one_with(wanted))
    }
}

fn left(since: Option<Instant>, wait: Duration) -> Option<Duration> {
    let left = wait.saturating_sub(since?.elapsed());
    (!left.is_zero()).then_some(left)
}
