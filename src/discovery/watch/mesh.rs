//! Watches the ConfigMap with the mesh's configuration.
//!
//! One that is invalid is reported in the log and by an Event, and the last good one stays in
//! force. Without a ConfigMap, the defaults hold.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, Resource};
use tokio::sync::{mpsc, watch};

use super::synced::Synced;
use crate::{
    cluster::watch_object,
    discovery::{
        convert::mesh::{Defaults, Mesh},
        report::{Report, Reports},
        update::Update,
    },
    error_chain,
};

/// The key of the ConfigMap.
const KEY: &str = "mesh";

/// Where the configuration is, and what else says something about the mesh.
#[derive(Debug)]
pub(in crate::discovery) struct Settings {
    /// The namespace of the ConfigMap.
    pub namespace: String,
    /// The ConfigMap's name.
    pub name: String,
    /// What the flags say.
    pub defaults: Defaults,
    /// Who issues identities is told of the trust domain.
    pub trust_domain: watch::Sender<Option<Arc<str>>>,
}

/// Follows the ConfigMap until the receiver is gone.
pub(super) async fn follow(
    client: Client,
    settings: Settings,
    updates: mpsc::Sender<Update>,
    reports: Reports,
    mut synced: Synced,
) {
    let api: Api<ConfigMap> = Api::namespaced(client, &settings.namespace);
    let mut changes = watch_object(api, &settings.name);
    while let Some(change) = changes.next().await {
        let map = match change {
            Ok(map) => map,
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "the watch of the mesh configuration failed; watching again"
                );
                continue;
            }
        };
        let mesh = read(&settings, map.as_ref(), &reports);
        tell(&settings, mesh.as_ref());
        if let Some(mesh) = mesh
            && updates.send(Update::Mesh(Box::new(mesh))).await.is_err()
        {
            return;
        }
        synced.set(&updates).await;
    }
}

/// Tells of the trust domain. If the first configuration is invalid, the defaults hold, as they do for everything else.
fn tell(settings: &Settings, mesh: Option<&Mesh>) {
    settings.trust_domain.send_if_modified(|before| {
        let domain = match mesh {
            Some(mesh) => Arc::clone(&mesh.model.trust_domain),
            None if before.is_some() => return false,
            None => Mesh::default_of(&settings.defaults).model.trust_domain,
        };
        let differs = before.as_ref() != Some(&domain);
        *before = Some(domain);
        differs
    });
}

/// Returns the configuration; `None` if it is invalid, which is reported.
fn read(settings: &Settings, map: Option<&ConfigMap>, reports: &Reports) -> Option<Mesh> {
    let Some(map) = map else {
        tracing::warn!(
            name = settings.name,
            namespace = settings.namespace,
            "the ConfigMap with the mesh configuration does not exist; the defaults hold"
        );
        return Some(Mesh::default_of(&settings.defaults));
    };
    let text = map.data.as_ref().and_then(|data| data.get(KEY));
    let read = Mesh::parse(text.map_or("", String::as_str), &settings.defaults);
    match read {
        Ok(mesh) => {
            let remarks = mesh.remarks().join("; ");
            if !remarks.is_empty() {
                tracing::warn!(
                    name = settings.name,
                    remarks,
                    "the mesh configuration asks for what is not there"
                );
                reports.send(Report {
                    reference: map.object_ref(&()),
                    reason: "IncompleteConfiguration",
                    action: "Validate",
                    note: remarks,
                });
            }
            Some(mesh)
        }
        Err(faults) => {
            let faults = faults.join("; ");
            tracing::error!(
                name = settings.name,
                faults,
                "the mesh configuration is invalid; the last good one stays in force"
            );
            reports.send(Report {
                reference: map.object_ref(&()),
                reason: "InvalidConfiguration",
                action: "Validate",
                note: format!("the last good configuration stays in force: {faults}"),
            });
            None
        }
    }
}
