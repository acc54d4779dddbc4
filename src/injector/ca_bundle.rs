//! The caBundle of the webhook configurations: what API servers trust us by.
//!
//! Every replica patches; the bundle is the same for all, so it does not matter
//! who comes first. What someone else sets it to is set back at once.

use std::{collections::BTreeMap, pin::pin, time::Duration};

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
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::Shared;
use crate::webhook::Condition;

/// The webhooks that are an injector's, by the end of their names.
const SUFFIX: &str = "sidecar-injector.istio.io";
const RETRY: Duration = Duration::from_secs(1);
/// How long a denial is believed. RBAC may come through after the injector has started.
const DENIED: Duration = Duration::from_secs(30);

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
        denied: BTreeMap::new(),
        trusted,
        shared,
    };
    let mut again = None;
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(event) => keeper.take(event),
                Err(error) => tracing::warn!(%error, "the watch of the webhook configurations was interrupted; it is taken up again"),
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
    seen: BTreeMap<String, MutatingWebhookConfiguration>,
    listed: bool,
    /// Configurations that we may not patch, and when that was said. They carry
    /// our revision's label and are not of our chart: somebody else's to keep,
    /// and not to wait for.
    denied: BTreeMap<String, Instant>,
    trusted: watch::Sender<Option<Trusted>>,
    shared: Shared,
}

impl Keeper {
    fn take(&mut self, event: watcher::Event<MutatingWebhookConfiguration>) {
        match event {
            // Until the list is whole again, what was true of it stays.
            watcher::Event::Init => {
                self.seen.clear();
                self.listed = false;
            }
            watcher::Event::InitDone => self.listed = true,
            watcher::Event::InitApply(configuration) | watcher::Event::Apply(configuration) => {
                self.seen.insert(configuration.name_any(), configuration);
            }
            watcher::Event::Delete(configuration) => {
                self.seen.remove(&configuration.name_any());
            }
        }
    }

    /// Brings the bundles about. `Some` says when to try again.
    async fn reconcile(&mut self, roots: &Roots) -> Option<Duration> {
        if !self.listed {
            return None;
        }
        match roots {
            Roots::Unknown => None,
            Roots::Foreign => {
                self.set_condition(|bundle| bundle.is_some_and(|bundle| !bundle.0.is_empty()));
                None
            }
            Roots::Ours(roots) => {
                let well = self.patch_all(roots).await;
                let is_ours = |bundle: Option<&ByteString>| {
                    bundle.is_some_and(|bundle| bundle.0 == roots.as_bytes())
                };
                let all = self.set_condition(is_ours);
                self.tell_trusted(all.then_some(roots));
                match (well, self.denied.is_empty()) {
                    (false, _) => Some(RETRY),
                    (true, false) => Some(DENIED),
                    (true, true) => None,
                }
            }
        }
    }

    /// Whether nothing went wrong but what was denied.
    async fn patch_all(&mut self, roots: &str) -> bool {
        let mut well = true;
        let seen = &self.seen;
        self.denied
            .retain(|name, since| seen.contains_key(name) && since.elapsed() < DENIED);
        for (name, configuration) in &mut self.seen {
            if self.denied.contains_key(name) {
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
                        "may not patch the caBundle; leaving it to others for now"
                    );
                    self.denied.insert(name.clone(), Instant::now());
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
            .filter(|(name, _)| !self.denied.contains_key(*name));
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

    /// A keeper whose API server answers every request with this code.
    fn keeper(code: u16) -> Keeper {
        let answer = move |_: axum::http::Request<kube::client::Body>| async move {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "reason": "", "message": "no"});
            axum::http::Response::builder()
                .status(code)
                .body(kube::client::Body::from(status.to_string().into_bytes()))
        };
        let client = Client::new(tower::service_fn(answer), "default");
        Keeper {
            api: Api::all(client),
            seen: BTreeMap::new(),
            listed: false,
            denied: BTreeMap::new(),
            trusted: watch::channel(None).0,
            shared: Shared {
                current: std::sync::Arc::default(),
                readiness: std::sync::Arc::default(),
                metrics: std::sync::Arc::default(),
            },
        }
    }

    fn list(keeper: &mut Keeper, configuration: MutatingWebhookConfiguration) {
        for event in [
            watcher::Event::Init,
            watcher::Event::InitApply(configuration),
            watcher::Event::InitDone,
        ] {
            keeper.take(event);
        }
    }

    fn waits(keeper: &Keeper) -> bool {
        let missing = keeper.shared.readiness.missing();
        missing.iter().any(|missing| missing.contains("caBundle"))
    }

    #[tokio::test]
    async fn stays_ready_while_it_lists_again() {
        let roots = Roots::Ours("new".to_owned());
        let right = configuration(&[("namespace.sidecar-injector.istio.io", Some("new"))]);
        let mut keeper = keeper(500);
        list(&mut keeper, right.clone());
        assert_eq!(keeper.reconcile(&roots).await, None);
        assert!(!waits(&keeper));
        let since = keeper.trusted.borrow().clone();

        // A list has begun; the API server takes its time.
        keeper.take(watcher::Event::Init);
        keeper.reconcile(&roots).await;
        assert!(!waits(&keeper));
        list(&mut keeper, right);
        keeper.reconcile(&roots).await;
        assert_eq!(*keeper.trusted.borrow(), since);
    }

    #[tokio::test(start_paused = true)]
    async fn asks_again_after_a_denial() {
        let roots = Roots::Ours("new".to_owned());
        let mut keeper = keeper(403);
        list(
            &mut keeper,
            configuration(&[("namespace.sidecar-injector.istio.io", None)]),
        );
        assert_eq!(keeper.reconcile(&roots).await, Some(DENIED));
        let first = keeper.denied["c"];
        keeper.reconcile(&roots).await;
        assert_eq!(keeper.denied["c"], first);
        tokio::time::advance(DENIED).await;
        keeper.reconcile(&roots).await;
        assert!(keeper.denied["c"] > first);
    }

    #[tokio::test]
    async fn tries_again_soon_after_a_failure() {
        let roots = Roots::Ours("new".to_owned());
        let mut keeper = keeper(500);
        list(
            &mut keeper,
            configuration(&[("namespace.sidecar-injector.istio.io", None)]),
        );
        assert_eq!(keeper.reconcile(&roots).await, Some(RETRY));
        assert!(waits(&keeper));
    }
}
