//! The caBundle of the webhook configurations: what API servers trust us by.
//!
//! Every replica patches. What is wanted is added at once, also when someone or
//! something has set the bundle back. What is not wanted is taken out only after
//! it has stood for a while, so that replicas which see a new CA one after the
//! other (a mounted Secret reaches each node at its own time) don't take out each
//! other's roots.

mod configuration;
mod kept;
#[cfg(test)]
mod tests;
mod trusted;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::{sync::watch, time::sleep};

use self::kept::{DENIED, Due, Kept};
pub(super) use self::trusted::Trusted;
use super::shared::Shared;
use crate::{
    cluster::{is_forbidden, with_timeout},
    error_chain,
    metrics::Metrics,
};

/// The roots that are to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Not known yet.
    Unknown,
    /// These.
    Ours(Bundle),
    /// They are left to somebody else.
    Foreign,
}

/// Which configurations, and how they are kept.
pub(super) struct Settings {
    /// The value of their label `istio.io/rev`.
    pub revision: String,
    /// How long roots that are not wanted stay.
    pub stand: Duration,
}

/// Keeps the bundles as wanted.
pub(super) async fn run(
    client: Client,
    settings: Settings,
    mut wanted: watch::Receiver<Roots>,
    trusted: watch::Sender<Trusted>,
    shared: Shared,
) {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client);
    let config = watcher::Config::default().labels(&format!("istio.io/rev={}", settings.revision));
    let mut events = pin!(watcher(api.clone(), config).default_backoff());
    let mut reconciler = Reconciler::new(api, settings.stand, trusted, shared);
    let mut again = None;
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(event) => reconciler.take(event),
                Err(error) => tracing::warn!(error = error_chain(&error), "the watch of the webhook configurations was interrupted; it is taken up again"),
            },
            Ok(()) = wanted.changed() => {}
            () = sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
        let roots = wanted.borrow_and_update().clone();
        again = reconciler.reconcile(&roots).await;
    }
}

struct Reconciler {
    api: Api<MutatingWebhookConfiguration>,
    kept: BTreeMap<String, Kept>,
    /// What the list that is coming in has held.
    coming: BTreeSet<String>,
    /// Whether a list has come in whole.
    listed: bool,
    stand: Duration,
    trusted: watch::Sender<Trusted>,
    shared: Shared,
}

impl Reconciler {
    fn new(
        api: Api<MutatingWebhookConfiguration>,
        stand: Duration,
        trusted: watch::Sender<Trusted>,
        shared: Shared,
    ) -> Self {
        Self {
            api,
            kept: BTreeMap::new(),
            coming: BTreeSet::new(),
            listed: false,
            stand,
            trusted,
            shared,
        }
    }

    fn take(&mut self, event: watcher::Event<MutatingWebhookConfiguration>) {
        match event {
            // Until the list is whole again, what was true of it stays.
            watcher::Event::Init => self.coming.clear(),
            watcher::Event::InitApply(configuration) => {
                self.coming.insert(configuration.name_any());
                self.keep(configuration);
            }
            watcher::Event::InitDone => {
                self.kept.retain(|name, _| self.coming.contains(name));
                self.listed = true;
            }
            watcher::Event::Apply(configuration) => self.keep(configuration),
            watcher::Event::Delete(configuration) => {
                self.kept.remove(&configuration.name_any());
            }
        }
    }

    fn keep(&mut self, configuration: MutatingWebhookConfiguration) {
        let name = configuration.name_any();
        match self.kept.get_mut(&name) {
            Some(kept) => kept.configuration = configuration,
            None => {
                self.kept.insert(name, Kept::new(configuration));
            }
        }
    }

    /// Brings the bundles about. `Some` says when to look again.
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
                self.tell_trusted(Trusted::LeftToOthers);
                None
            }
            Roots::Ours(wanted) => {
                // What somebody has taken out has to be learned anew.
                self.tell_trusted_by(wanted);
                let again = self.patch_all(wanted).await;
                // While a root is being added, the others go on being trusted.
                let counts =
                    |kept: &Kept| kept.is_ours() || kept.has_webhooks() && kept.trusts_one(wanted);
                if self.all(Kept::is_ours, |kept| kept.trusts(wanted)) {
                    self.set_condition(true);
                } else if !self.all(counts, |kept| kept.trusts_one(wanted)) {
                    self.set_condition(false);
                }
                self.tell_trusted_by(wanted);
                again
            }
        }
    }

    /// Whether there are configurations that somebody else keeps, and none of ours.
    fn is_left_to_others(&self) -> bool {
        self.kept.values().any(Kept::is_of_others) && !self.kept.values().any(Kept::is_ours)
    }

    async fn patch_all(&mut self, wanted: &Bundle) -> Option<Duration> {
        let mut again: Option<Duration> = None;
        for (name, kept) in &mut self.kept {
            let wait = match kept.due(wanted, self.stand, OffsetDateTime::now_utc()) {
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
                    record(name, kept, patched, is_outdated, &self.shared.metrics)
                }
            };
            again = again.into_iter().chain(wait).min();
        }
        again
    }

    /// Whether it holds for every configuration that counts, and there is one.
    fn all(&self, counts: impl Fn(&Kept) -> bool, holds: impl Fn(&Kept) -> bool) -> bool {
        let mut counted = self.kept.values().filter(|kept| counts(kept)).peekable();
        counted.peek().is_some() && counted.all(holds)
    }

    fn set_condition(&self, holds: bool) {
        self.shared.conditions.ca_bundle.set(holds);
    }

    /// Tells what every API server trusts that calls us by one of the wanted roots:
    /// also those of configurations that we may not patch any more.
    fn tell_trusted_by(&self, wanted: &Bundle) {
        let calls_us = |kept: &&Kept| kept.is_ours() || kept.is_denied_and_trusts(wanted);
        let has_ours = self.kept.values().any(Kept::is_ours);
        let trusted = self.kept.values().filter(calls_us).flat_map(Kept::bundles);
        let by_all = trusted.reduce(|all, next| all.within(&next));
        let roots = by_all.filter(|_| has_ours).unwrap_or_default();
        let trusted = self.trusted.borrow().followed_by(&roots);
        self.tell_trusted(trusted);
    }

    fn tell_trusted(&self, now: Trusted) {
        self.trusted.send_if_modified(|trusted| {
            let differs = *trusted != now;
            *trusted = now;
            differs
        });
    }
}

/// Records the response to a patch. `Some` says when to look again.
fn record(
    name: &str,
    kept: &mut Kept,
    patched: kube::Result<MutatingWebhookConfiguration>,
    is_outdated: bool,
    metrics: &Metrics,
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
                    "may not patch the caBundle; leaving it to others for now"
                );
            }
            Some(DENIED)
        }
        Err(_) if is_outdated => {
            tracing::debug!(
                name,
                "the webhook configuration has changed since; looking again"
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

/// Whether a patch failed because the configuration has changed since it was made.
///
/// A conflict says so. The `test` of the patch that fails does not: its status is
/// that of anything invalid (422), so the configuration's version is read again.
async fn is_outdated(
    api: &Api<MutatingWebhookConfiguration>,
    patched: &MutatingWebhookConfiguration,
    error: &kube::Error,
) -> bool {
    match error {
        kube::Error::Api(status) if status.code == 409 => true,
        kube::Error::Api(status) if status.code == 422 && status.reason == "Invalid" => {
            let now = with_timeout(api.get(&patched.name_any())).await;
            now.is_ok_and(|now| now.resource_version() != patched.resource_version())
        }
        _ => false,
    }
}
