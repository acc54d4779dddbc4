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
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use self::kept::{DENIED, Due, Kept};
use super::{
    Shared,
    call::{bounded, is_forbidden},
};
use crate::{explain, webhook::Condition};

const RETRY: Duration = Duration::from_secs(1);

/// The roots that are to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Not known yet.
    Unknown,
    /// These.
    Ours(Bundle),
    /// Somebody else sets them (cert-manager's cainjector).
    Foreign,
}

/// The roots that all webhook configurations have, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trusted {
    pub roots: Bundle,
    pub since: OffsetDateTime,
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
    trusted: watch::Sender<Option<Trusted>>,
    shared: Shared,
) {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client);
    let config = watcher::Config::default().labels(&format!("istio.io/rev={}", settings.revision));
    let mut events = pin!(watcher(api.clone(), config).default_backoff());
    let mut keeper = Keeper::new(api, settings.stand, trusted, shared);
    let mut again = None;
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(event) => keeper.take(event),
                Err(error) => tracing::warn!(error = explain(&error), "the watch of the webhook configurations was interrupted; it is taken up again"),
            },
            Ok(()) = wanted.changed() => {}
            () = sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
        let roots = wanted.borrow_and_update().clone();
        again = keeper.reconcile(&roots).await;
    }
}

struct Keeper {
    api: Api<MutatingWebhookConfiguration>,
    kept: BTreeMap<String, Kept>,
    /// What the list that is coming in has held.
    coming: BTreeSet<String>,
    /// Whether a list has come in whole.
    listed: bool,
    stand: Duration,
    trusted: watch::Sender<Option<Trusted>>,
    shared: Shared,
}

impl Keeper {
    fn new(
        api: Api<MutatingWebhookConfiguration>,
        stand: Duration,
        trusted: watch::Sender<Option<Trusted>>,
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
                self.set_condition(self.all(Kept::is_set));
                None
            }
            Roots::Ours(wanted) => {
                if !self.all(|kept| kept.trusts(wanted)) {
                    // API servers have to learn it anew.
                    self.tell_trusted(None);
                }
                let again = self.patch_all(wanted).await;
                // While a root is being added, the others go on being trusted.
                if self.all(|kept| kept.trusts(wanted)) {
                    self.set_condition(true);
                } else if !self.all(|kept| kept.trusts_one(wanted)) {
                    self.set_condition(false);
                }
                self.tell_trusted(self.is_trusted(wanted).then_some(wanted));
                again
            }
        }
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
                        bounded(self.api.patch(name, &PatchParams::default(), &patch)).await;
                    self.shared.metrics.ca_bundle_patched(patched.is_ok());
                    take_answer(name, kept, patched)
                }
            };
            again = again.into_iter().chain(wait).min();
        }
        again
    }

    /// Whether it holds for every configuration that is ours to keep, and there is one.
    fn all(&self, holds: impl Fn(&Kept) -> bool) -> bool {
        let mut ours = self
            .kept
            .values()
            .filter(|kept| kept.denied.is_none() && kept.has_webhooks())
            .peekable();
        ours.peek().is_some() && ours.all(holds)
    }

    fn set_condition(&self, holds: bool) {
        self.shared.readiness.set(Condition::CaBundle, holds);
    }

    /// Whether every API server trusts these roots, also by configurations that
    /// we may not patch any more.
    fn is_trusted(&self, wanted: &Bundle) -> bool {
        self.all(|kept| kept.trusts(wanted))
            && !self
                .kept
                .values()
                .any(|kept| kept.denied.is_some() && kept.trusts_partly(wanted))
    }

    fn tell_trusted(&self, roots: Option<&Bundle>) {
        self.trusted.send_if_modified(|trusted| {
            if trusted.as_ref().map(|trusted| &trusted.roots) == roots {
                return false;
            }
            *trusted = roots.map(|roots| Trusted {
                roots: roots.clone(),
                since: OffsetDateTime::now_utc(),
            });
            true
        });
    }
}

/// Takes the answer to a patch. `Some` says when to look again.
fn take_answer(
    name: &str,
    kept: &mut Kept,
    patched: kube::Result<MutatingWebhookConfiguration>,
) -> Option<Duration> {
    match patched {
        Ok(patched) => {
            tracing::info!(name, "patched the caBundle");
            kept.configuration = patched;
            kept.patched = Some(Instant::now());
            None
        }
        Err(error) if is_forbidden(&error) => {
            tracing::warn!(
                name,
                error = explain(&error),
                "may not patch the caBundle; leaving it to others for now"
            );
            kept.denied = Some(Instant::now());
            Some(DENIED)
        }
        Err(error) => {
            tracing::warn!(
                name,
                error = explain(&error),
                "cannot patch the caBundle; trying again"
            );
            Some(RETRY)
        }
    }
}
