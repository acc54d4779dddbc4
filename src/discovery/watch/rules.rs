//! Watches Istio's kinds, in whatever version the API server has them.
//!
//! An object is read as plain JSON, so that one which is invalid stalls no other. It is left
//! out, or its last good version stays in force; the log and an Event on it say why.

use std::{collections::HashMap, pin::pin, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
    runtime::{WatchStreamExt, watcher},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::synced::Synced;
use crate::{
    cluster::with_timeout,
    discovery::{
        convert::{meta::key, rule},
        names::Names,
        report::{Report, Reports},
        update::Update,
    },
    error_chain,
    model::Key,
};

/// How often to look again for a kind that the API server does not have.
const AGAIN: Duration = Duration::from_secs(10);
/// How often to check that the kind is still there while its watch fails.
const MISSING: Duration = Duration::from_secs(5);

/// Watches the objects of a kind until the receiver is gone.
pub(super) async fn follow(
    client: Client,
    kind: pillion_api::Kind,
    updates: mpsc::Sender<Update>,
    reports: Reports,
    mut synced: Synced,
) {
    let mut rules = Rules {
        kind,
        updates,
        reports,
        names: Names::default(),
        refused: HashMap::new(),
    };
    loop {
        match served(&client, kind).await {
            Ok(Some(resource)) => rules.watch(&client, resource, &mut synced).await,
            Ok(None) => {
                // Without its CRD there are no objects. One may be installed later.
                rules.forget().await;
                synced.set(&rules.updates).await;
            }
            Err(error) => tracing::warn!(
                kind = kind.name(),
                error = error_chain(&error),
                "cannot find out in which version the API server has a kind; trying again"
            ),
        }
        if rules.updates.is_closed() {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// Returns the kind in the newest version that the API server has.
async fn served(client: &Client, kind: pillion_api::Kind) -> kube::Result<Option<ApiResource>> {
    for version in pillion_api::VERSIONS {
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(pillion_api::GROUP, version, kind.name()),
            kind.plural(),
        );
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        match with_timeout(api.list_metadata(&ListParams::default().limit(1))).await {
            Ok(_) => return Ok(Some(resource)),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// The objects of a kind.
struct Rules {
    kind: pillion_api::Kind,
    updates: mpsc::Sender<Update>,
    reports: Reports,
    names: Names,
    /// The versions that were refused, so that a new list does not report them again.
    refused: HashMap<Key, String>,
}

impl Rules {
    /// Follows the objects until the API server no longer has the kind in this version.
    async fn watch(&mut self, client: &Client, resource: ApiResource, synced: &mut Synced) {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
        let mut fails = false;
        loop {
            let next = timeout(MISSING, events.next()).await;
            match next {
                Ok(Some(Ok(event))) => {
                    fails = false;
                    let is_last = matches!(event, watcher::Event::InitDone);
                    let (applied, deleted) = self.names.take(event);
                    if self.pass_on(&resource, applied, deleted).await.is_none() {
                        return;
                    }
                    if is_last {
                        synced.set(&self.updates).await;
                    }
                }
                Ok(Some(Err(error))) => {
                    fails = true;
                    tracing::warn!(
                        kind = self.kind.name(),
                        error = error_chain(&error),
                        "a watch failed; watching again"
                    );
                }
                Ok(None) => return,
                Err(_) if fails => {}
                Err(_) => continue,
            }
            if fails {
                let still = served(client, self.kind).await;
                if still.is_ok_and(|still| still.as_ref() != Some(&resource)) {
                    return;
                }
            }
        }
    }

    /// Sends what has changed. Returns `None` if the receiver is gone.
    async fn pass_on(
        &mut self,
        resource: &ApiResource,
        applied: Option<DynamicObject>,
        deleted: Vec<Key>,
    ) -> Option<()> {
        for key in deleted {
            self.refused.remove(&key);
            let update = rule::deleted(self.kind, key);
            self.updates.send(update).await.ok()?;
        }
        let Some(object) = applied else {
            return Some(());
        };
        match rule::applied(self.kind, &object) {
            Ok(update) => {
                self.refused.remove(&key(&object));
                self.updates.send(update).await.ok()?;
            }
            Err(faults) => self.refuse(resource, &object, &faults),
        }
        Some(())
    }

    fn refuse(&mut self, resource: &ApiResource, object: &DynamicObject, faults: &[String]) {
        let key = key(object);
        let version = object.resource_version().unwrap_or_default();
        if self.refused.get(&key) == Some(&version) {
            return;
        }
        let faults = faults.join("; ");
        tracing::warn!(
            kind = self.kind.name(),
            object = %key,
            faults,
            "a rule is invalid and not in force; its last valid version, if this process has seen one, stays in force"
        );
        self.refused.insert(key, version);
        let reference: ObjectReference = object.object_ref(resource);
        self.reports.send(Report {
            reference,
            reason: "InvalidRule",
            note: format!("not in force: {faults}"),
        });
    }

    /// Removes all objects: the API server no longer has the kind.
    async fn forget(&mut self) {
        self.refused.clear();
        for key in self.names.clear() {
            // The receiver is gone only when the process stops.
            let _ = self.updates.send(rule::deleted(self.kind, key)).await;
        }
    }
}
