//! The caBundle of the webhook configurations: what API servers trust us by.
//!
//! Every replica patches; the bundle is the same for all, so it does not matter
//! who comes first. What someone else sets it to is set back at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use futures::StreamExt;
use json_patch::{AddOperation, Patch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use k8s_openapi::{ByteString, api::admissionregistration::v1::MutatingWebhookConfiguration};
use kube::{
    Api, Client, ResourceExt,
    api::{self, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use time::OffsetDateTime;
use tokio::{sync::watch, time::sleep};

use super::Shared;
use crate::webhook::Condition;

/// The webhooks that are an injector's, by the end of their names.
const SUFFIX: &str = "sidecar-injector.istio.io";
const RETRY: Duration = Duration::from_secs(1);

/// The roots that are to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Not known yet.
    Unknown,
    /// These, in PEM.
    Ours(String),
    /// Somebody else sets them (cert-manager's cainjector).
    Foreign,
}

/// The roots that all webhook configurations have, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trusted {
    pub roots: String,
    pub since: OffsetDateTime,
}

/// Keeps the bundles as wanted.
pub(super) async fn run(
    client: Client,
    revision: String,
    mut wanted: watch::Receiver<Roots>,
    trusted: watch::Sender<Option<Trusted>>,
    shared: Shared,
) {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client);
    let config = watcher::Config::default().labels(&format!("istio.io/rev={revision}"));
    let mut events = pin!(watcher(api.clone(), config).default_backoff());
    let mut keeper = Keeper {
        api,
        seen: BTreeMap::new(),
        listed: false,
        denied: BTreeSet::new(),
        trusted,
        shared,
    };
    let mut failed = false;
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(event) => keeper.take(event),
                Err(error) => tracing::warn!(%error, "the watch of the webhook configurations was interrupted; it is taken up again"),
            },
            Ok(()) = wanted.changed() => {}
            () = sleep(RETRY), if failed => {}
        }
        let roots = wanted.borrow_and_update().clone();
        failed = !keeper.reconcile(&roots).await;
    }
}

struct Keeper {
    api: Api<MutatingWebhookConfiguration>,
    seen: BTreeMap<String, MutatingWebhookConfiguration>,
    listed: bool,
    /// Configurations that we may not patch. They carry our revision's label and
    /// are not of our chart: somebody else's to keep, and not to wait for.
    denied: BTreeSet<String>,
    trusted: watch::Sender<Option<Trusted>>,
    shared: Shared,
}

impl Keeper {
    fn take(&mut self, event: watcher::Event<MutatingWebhookConfiguration>) {
        match event {
            watcher::Event::Init => self.seen.clear(),
            watcher::Event::InitDone => self.listed = true,
            watcher::Event::InitApply(configuration) | watcher::Event::Apply(configuration) => {
                self.seen.insert(configuration.name_any(), configuration);
            }
            watcher::Event::Delete(configuration) => {
                self.seen.remove(&configuration.name_any());
            }
        }
    }

    /// Whether nothing has to be tried again.
    async fn reconcile(&mut self, roots: &Roots) -> bool {
        if !self.listed {
            return true;
        }
        match roots {
            Roots::Unknown => true,
            Roots::Foreign => {
                self.set_condition(|bundle| bundle.is_some_and(|bundle| !bundle.0.is_empty()));
                true
            }
            Roots::Ours(roots) => {
                let well = self.patch_all(roots).await;
                let is_ours = |bundle: Option<&ByteString>| {
                    bundle.is_some_and(|bundle| bundle.0 == roots.as_bytes())
                };
                let all = self.set_condition(is_ours);
                self.tell_trusted(all.then_some(roots));
                well
            }
        }
    }

    async fn patch_all(&mut self, roots: &str) -> bool {
        let mut well = true;
        for (name, configuration) in &mut self.seen {
            if self.denied.contains(name) {
                continue;
            }
            let Some(patch) = patch(configuration, roots) else {
                continue;
            };
            let patched = self
                .api
                .patch(
                    name,
                    &PatchParams::default(),
                    &api::Patch::Json::<()>(patch),
                )
                .await;
            self.shared.metrics.ca_bundle_patched(patched.is_ok());
            match patched {
                Ok(patched) => {
                    tracing::info!(name, "patched the caBundle");
                    *configuration = patched;
                }
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    tracing::warn!(
                        name,
                        message = status.message,
                        "may not patch the caBundle; leaving it to others"
                    );
                    self.denied.insert(name.clone());
                }
                Err(error) => {
                    tracing::warn!(name, %error, "cannot patch the caBundle; trying again");
                    well = false;
                }
            }
        }
        well
    }

    /// Whether every webhook's bundle fits; none at all does not.
    fn set_condition(&self, fits: impl Fn(Option<&ByteString>) -> bool) -> bool {
        let ours = self
            .seen
            .iter()
            .filter(|(name, _)| !self.denied.contains(*name));
        let mut bundles = ours
            .flat_map(|(_, configuration)| bundles(configuration))
            .peekable();
        let all = bundles.peek().is_some() && bundles.all(|(_, _, bundle)| fits(bundle));
        self.shared.readiness.set(Condition::CaBundle, all);
        all
    }

    fn tell_trusted(&self, roots: Option<&String>) {
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

/// The injector's webhooks of a configuration: place, name and bundle.
fn bundles(
    configuration: &MutatingWebhookConfiguration,
) -> impl Iterator<Item = (usize, &str, Option<&ByteString>)> {
    configuration
        .webhooks
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, webhook)| webhook.name.ends_with(SUFFIX))
        .map(|(index, webhook)| {
            (
                index,
                webhook.name.as_str(),
                webhook.client_config.ca_bundle.as_ref(),
            )
        })
}

/// The patch that sets the bundles; `None` when they are right. Each operation
/// tests the webhook's name, for its place may have changed since.
fn patch(configuration: &MutatingWebhookConfiguration, roots: &str) -> Option<Patch> {
    let wanted = ByteString(roots.as_bytes().to_vec());
    let operations: Vec<_> = bundles(configuration)
        .filter(|(_, _, bundle)| *bundle != Some(&wanted))
        .flat_map(|(index, name, _)| {
            let index = index.to_string();
            [
                PatchOperation::Test(TestOperation {
                    path: PointerBuf::from_tokens(["webhooks", &index, "name"]),
                    value: json!(name),
                }),
                PatchOperation::Add(AddOperation {
                    path: PointerBuf::from_tokens(["webhooks", &index, "clientConfig", "caBundle"]),
                    value: json!(wanted),
                }),
            ]
        })
        .collect();
    (!operations.is_empty()).then_some(Patch(operations))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(webhooks: &[(&str, Option<&str>)]) -> MutatingWebhookConfiguration {
        let webhooks: Vec<_> = webhooks
            .iter()
            .map(|(name, bundle)| {
                json!({"name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
                    "clientConfig": {"caBundle": bundle.map(|bundle| ByteString(bundle.into()))}})
            })
            .collect();
        serde_json::from_value(json!({"metadata": {"name": "c"}, "webhooks": webhooks})).unwrap()
    }

    #[test]
    fn patches_the_injectors_webhooks_that_differ() {
        let configuration = configuration(&[
            ("other.example.com", None),
            ("namespace.sidecar-injector.istio.io", Some("old")),
            ("object.sidecar-injector.istio.io", Some("new")),
            ("rev.object.sidecar-injector.istio.io", None),
        ]);
        let mut edited = serde_json::to_value(&configuration).unwrap();
        let patch = patch(&configuration, "new").unwrap();
        assert_eq!(patch.0.len(), 4);
        json_patch::patch(&mut edited, &patch).unwrap();
        let edited: MutatingWebhookConfiguration = serde_json::from_value(edited).unwrap();
        assert!(bundles(&edited).all(|(_, _, bundle)| bundle == Some(&ByteString("new".into()))));
        assert_eq!(edited.webhooks.unwrap()[0].client_config.ca_bundle, None);
    }

    #[test]
    fn leaves_right_bundles_alone() {
        let configuration = configuration(&[("namespace.sidecar-injector.istio.io", Some("new"))]);
        assert!(patch(&configuration, "new").is_none());
    }
}
