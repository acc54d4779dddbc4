//! The caBundle of the webhook configurations: the roots by which API servers trust the
//! role that serves them.
//!
//! Every replica patches it. A required root is added immediately, also after somebody
//! has reverted the bundle. An unneeded root is removed only after a delay, so that
//! replicas that see a new CA at different times (a mounted Secret reaches each node at a
//! different time) don't remove each other's roots.

mod configuration;
mod kept;
mod kind;
#[cfg(test)]
mod tests;
mod trusted;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::{sync::watch, time::sleep};

use self::kept::{DENIED, Due, Kept};
pub(crate) use self::{kind::Kind, trusted::Trusted};
use super::owner::Owner;
use crate::{
    cluster::{is_forbidden, with_timeout},
    error_chain,
    metrics::CertificateMetrics,
};

/// The roots that API servers must trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Not known yet.
    Unknown,
    /// These.
    Ours(Bundle),
    /// The bundle is not managed by this process.
    Foreign,
}

/// Which configurations to manage, and how.
pub(crate) struct Settings {
    /// The value of their label `istio.io/rev`.
    pub revision: String,
    /// How long unneeded roots stay in the bundle.
    pub removal_delay: Duration,
}

/// Keeps the bundles up to date.
pub(crate) async fn run<K: Kind>(
    client: Client,
    settings: Settings,
    mut wanted: watch::Receiver<Roots>,
    trusted: watch::Sender<Trusted>,
    owner: Owner,
) {
    let api: Api<K> = Api::all(client);
    let config = watcher::Config::default().labels(&format!("istio.io/rev={}", settings.revision));
    let mut events = pin!(watcher(api.clone(), config).default_backoff());
    let mut reconciler = Reconciler::new(api, settings.removal_delay, trusted, owner);
    let mut again = None;
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(event) => reconciler.take(event),
                Err(error) => tracing::warn!(error = error_chain(&error), "the watch of the webhook configurations failed; watching again"),
            },
            Ok(()) = wanted.changed() => {}
            () = sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
        let roots = wanted.borrow_and_update().clone();
        again = reconciler.reconcile(&roots).await;
    }
}

struct Reconciler<K> {
    api: Api<K>,
    kept: BTreeMap<String, Kept<K>>,
    /// The names in the list that is being received.
    listing: BTreeSet<String>,
    /// Whether a list has been received completely.
    listed: bool,
    removal_delay: Duration,
    trusted: watch::Sender<Trusted>,
    owner: Owner,
}

impl<K: Kind> Reconciler<K> {
    fn new(
        api: Api<K>,
        removal_delay: Duration,
        trusted: watch::Sender<Trusted>,
        owner: Owner,
    ) -> Self {
        Self {
            api,
            kept: BTreeMap::new(),
            listing: BTreeSet::new(),
            listed: false,
            removal_delay,
            trusted,
            owner,
        }
    }

    fn take(&mut self, event: watcher::Event<K>) {
        match event {
            // Until the new list is complete, the previous one remains valid.
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(configuration) => {
                self.listing.insert(configuration.name_any());
                self.keep(configuration);
            }
            watcher::Event::InitDone => {
                self.kept.retain(|name, _| self.listing.contains(name));
                self.listed = true;
            }
            watcher::Event::Apply(configuration) => self.keep(configuration),
            watcher::Event::Delete(configuration) => {
                self.kept.remove(&configuration.name_any());
            }
        }
    }

    fn keep(&mut self, configuration: K) {
        let name = configuration.name_any();
        match self.kept.get_mut(&name) {
            Some(kept) => kept.configuration = configuration,
            None => {
                self.kept.insert(name, Kept::new(configuration));
            }
        }
    }

    /// Patches the bundles that are out of date. Returns when to reconcile again, if it is
    /// necessary without another event.
    async fn reconcile(&mut self, roots: &Roots) -> Option<Duration> {
        if !self.listed {
            return None;
        }
        match roots {
            Roots::Unknown => None,
            Roots::Foreign => {
                self.set_condition(self.all(Kept::has_webhooks, Kept::is_set));
                None
            }
            Roots::Ours(_) if self.is_left_to_others() => {
                self.set_condition(self.all(Kept::has_webhooks, Kept::is_set));
                self.publish(Trusted::LeftToOthers);
                None
            }
            Roots::Ours(wanted) => {
                // First, forget roots that somebody has removed.
                self.publish_trusted(wanted);
                let again = self.patch_all(wanted).await;
                // While a root is being added, the others are still trusted.
                let counts = |kept: &Kept<K>| {
                    kept.is_ours() || kept.has_webhooks() && kept.trusts_one(wanted)
                };
                if self.all(Kept::is_ours, |kept| kept.trusts(wanted)) {
                    self.set_condition(true);
                } else if !self.all(counts, |kept| kept.trusts_one(wanted)) {
                    self.set_condition(false);
                }
                self.publish_trusted(wanted);
                again
            }
        }
    }

    /// Whether there are configurations that somebody else manages, and none of ours.
    fn is_left_to_others(&self) -> bool {
        self.kept.values().any(Kept::is_of_others) && !self.kept.values().any(Kept::is_ours)
    }

    async fn patch_all(&mut self, wanted: &Bundle) -> Option<Duration> {
        let mut again: Option<Duration> = None;
        for (name, kept) in &mut self.kept {
            let wait = match kept.due(wanted, self.removal_delay, OffsetDateTime::now_utc()) {
                Due::Nothing => None,
                Due::Later(wait) => Some(wait),
                Due::Now(patch) => {
                    let patch = Patch::Json::<()>(patch);
                    let patched =
                        with_timeout(self.api.patch(name, &PatchParams::default(), &patch)).await;
                    let is_outdated = match &patched {
                        Err(error) => is_outdated(&self.api, &kept.configuration, error).await,
                        Ok(_) => false,
                    };
                    record(name, kept, patched, is_outdated, &self.owner.metrics)
                }
            };
            again = again.into_iter().chain(wait).min();
        }
        again
    }

    /// Whether a condition holds for every configuration that counts, and at least one
    /// counts.
    fn all(&self, counts: impl Fn(&Kept<K>) -> bool, holds: impl Fn(&Kept<K>) -> bool) -> bool {
        let mut counted = self.kept.values().filter(|kept| counts(kept)).peekable();
        counted.peek().is_some() && counted.all(holds)
    }

    fn set_condition(&self, holds: bool) {
        self.owner.ca_bundle.set(holds);
    }

    /// Publishes the roots that are trusted by every configuration that makes API servers
    /// call the role, including configurations that it may no longer patch.
    fn publish_trusted(&self, wanted: &Bundle) {
        let calls_us = |kept: &&Kept<K>| kept.is_ours() || kept.is_denied_and_trusts(wanted);
        let has_ours = self.kept.values().any(Kept::is_ours);
        let trusted = self.kept.values().filter(calls_us).flat_map(Kept::bundles);
        let by_all = trusted.reduce(|all, next| all.within(&next));
        let roots = by_all.filter(|_| has_ours).unwrap_or_default();
        let trusted = self.trusted.borrow().followed_by(&roots);
        self.publish(trusted);
    }

    fn publish(&self, now: Trusted) {
        self.trusted.send_if_modified(|trusted| {
            let differs = *trusted != now;
            *trusted = now;
            differs
        });
    }
}

/// Records the response to a patch. Returns when to reconcile again, if necessary.
fn record<K: Kind>(
    name: &str,
    kept: &mut Kept<K>,
    patched: kube::Result<K>,
    is_outdated: bool,
    metrics: &CertificateMetrics,
) -> Option<Duration> {
    match patched {
        Ok(patched) => {
            metrics.ca_bundle_patched(true);
            tracing::info!(name, "patched the caBundle");
            kept.record_patched(patched);
            None
        }
        Err(error) if is_forbidden(&error) => {
            if kept.record_denied() {
                metrics.ca_bundle_patched(false);
                tracing::warn!(
                    name,
                    error = error_chain(&error),
                    "no permission to patch the caBundle; leaving it to others for now"
                );
            }
            Some(DENIED)
        }
        Err(_) if is_outdated => {
            tracing::debug!(
                name,
                "the webhook configuration has changed in the meantime; trying again"
            );
            Some(kept.record_failed())
        }
        Err(error) => {
            metrics.ca_bundle_patched(false);
            tracing::warn!(
                name,
                error = error_chain(&error),
                "cannot patch the caBundle; trying again"
            );
            Some(kept.record_failed())
        }
    }
}

/// Whether a patch failed because the configuration has changed since the patch was made.
///
/// A conflict (409) always means that. If the patch's `test` operation fails, the status is
/// the same as for any invalid object (422), so the configuration's version is read again.
async fn is_outdated<K: Kind>(api: &Api<K>, patched: &K, error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) if status.code == 409 => true,
        kube::Error::Api(status) if status.code == 422 && status.reason == "Invalid" => {
            let now = with_timeout(api.get(&patched.name_any())).await;
            now.is_ok_and(|now| now.resource_version() != patched.resource_version())
        }
        _ => false,
    }
}
