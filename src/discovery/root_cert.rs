//! The root of the mesh's CA in every namespace: the ConfigMap `istio-ca-root-cert`, from
//! which proxies read whom to trust.
//!
//! Every replica writes it. As with a caBundle, a wanted root is added at once, and one that
//! is no longer wanted is removed late, so that replicas which learn of a new CA at different
//! times don't remove each other's roots. A ConfigMap that another manager made (istiod) is
//! never written.

mod found;
mod settings;
mod trust;
mod wrong;

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PostParams,
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::{sync::watch, time::sleep};

pub(super) use self::settings::Settings;
use self::{
    found::{Due, Found, RETRY},
    trust::trusted,
};
use crate::{
    certificates::ca_bundle::{Roots, Trusted},
    cluster::with_timeout,
    discovery::{
        names::Names,
        report::{Report, Reports},
    },
    error_chain,
};

/// Namespaces in which no pod of a mesh runs.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// How many ConfigMaps are written at a time.
const WRITES: usize = 8;

/// Keeps the ConfigMaps up to date.
pub(super) async fn run(
    client: Client,
    settings: Settings,
    mut wanted: watch::Receiver<Roots>,
    trusted: watch::Sender<Trusted>,
    reports: Reports,
) {
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let named = watcher::Config::default().fields(&format!("metadata.name={}", settings.name));
    let namespaces = watcher(namespaces, watcher::Config::default());
    let mut namespaces = pin!(namespaces.default_backoff());
    let mut maps = pin!(watcher(maps, named).default_backoff());
    let mut publisher = Publisher::new(client, settings, trusted, reports);
    let mut again = None;
    loop {
        tokio::select! {
            Some(event) = namespaces.next() => match event {
                Ok(event) => publisher.take_namespace(event),
                Err(error) => watch_failed("the namespaces", &error),
            },
            Some(event) = maps.next() => match event {
                Ok(event) => publisher.take_map(event),
                Err(error) => watch_failed("the ConfigMaps with the mesh's root", &error),
            },
            Ok(()) = wanted.changed() => {}
            () = sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
        let roots = wanted.borrow_and_update().clone();
        again = match roots {
            Roots::Ours(roots) => publisher.reconcile(&roots).await,
            Roots::Unknown | Roots::Foreign => None,
        };
    }
}

fn watch_failed(what: &str, error: &watcher::Error) {
    tracing::warn!(
        error = error_chain(error),
        "the watch of {what} failed; watching again"
    );
}

struct Publisher {
    client: Client,
    settings: Settings,
    trusted: watch::Sender<Trusted>,
    reports: Reports,
    namespaces: Names,
    maps: Names,
    /// Whether both lists have been received completely.
    listed: (bool, bool),
    /// The ConfigMaps by their namespaces.
    found: BTreeMap<String, Found>,
}

impl Publisher {
    fn new(
        client: Client,
        settings: Settings,
        trusted: watch::Sender<Trusted>,
        reports: Reports,
    ) -> Self {
        Self {
            client,
            settings,
            trusted,
            reports,
            namespaces: Names::default(),
            maps: Names::default(),
            listed: (false, false),
            found: BTreeMap::new(),
        }
    }

    fn take_namespace(&mut self, event: watcher::Event<PartialObjectMeta<Namespace>>) {
        self.listed.0 |= matches!(event, watcher::Event::InitDone);
        let (applied, deleted) = self.namespaces.take(event);
        for key in deleted {
            self.found.remove(&*key.name);
        }
        let Some(namespace) = applied else { return };
        let name = namespace.name_any();
        let is_ending = namespace.metadata.deletion_timestamp.is_some();
        if is_ending || SYSTEM.contains(&name.as_str()) {
            self.found.remove(&name);
        } else {
            self.found.entry(name).or_default();
        }
    }

    fn take_map(&mut self, event: watcher::Event<ConfigMap>) {
        self.listed.1 |= matches!(event, watcher::Event::InitDone);
        let (applied, deleted) = self.maps.take(event);
        for key in deleted {
            if let Some(found) = self.found.get_mut(&*key.namespace) {
                found.record(None, &self.settings.owner);
            }
        }
        let Some(map) = applied else { return };
        let namespace = map.namespace().unwrap_or_default();
        if SYSTEM.contains(&namespace.as_str()) {
            return;
        }
        // The ConfigMap may be seen before its namespace.
        let found = self.found.entry(namespace.clone()).or_default();
        if found.record(Some(map), &self.settings.owner) {
            tracing::warn!(
                namespace,
                name = self.settings.name,
                "the ConfigMap with the mesh's root belongs to another manager and is not written: proxies in this \
                 namespace do not trust this discovery service"
            );
        }
    }

    /// Writes the ConfigMaps that are out of date. Returns when to do so again, if it is
    /// necessary without another event.
    async fn reconcile(&mut self, wanted: &Bundle) -> Option<Duration> {
        if self.listed != (true, true) {
            return None;
        }
        self.publish_trusted(wanted);
        self.say_what_is_wrong(wanted);
        let now = OffsetDateTime::now_utc();
        let mut again: Option<Duration> = None;
        let mut writes = Vec::new();
        for (namespace, found) in &mut self.found {
            match found.due(wanted, self.settings.removal_delay, now) {
                Due::Nothing => {}
                Due::Later(wait) => again = again.into_iter().chain([wait]).min(),
                Due::Now(roots) => {
                    let map = found.with(&roots, namespace, &self.settings);
                    writes.push((namespace.clone(), map));
                }
            }
        }
        let write = |(namespace, map): (String, ConfigMap)| {
            let (client, name) = (self.client.clone(), self.settings.name.clone());
            async move {
                let written = write(client, &namespace, &name, &map).await;
                (namespace, written)
            }
        };
        let mut written = stream::iter(writes).map(write).buffer_unordered(WRITES);
        while let Some((namespace, map)) = written.next().await {
            let Some(found) = self.found.get_mut(&namespace) else {
                continue;
            };
            match map {
                Ok(map) => _ = found.record(map, &self.settings.owner),
                Err(error) => {
                    found.record_failed(is_refused(&error));
                    again = again.into_iter().chain([RETRY]).min();
                    tracing::warn!(
                        namespace,
                        error = error_chain(&error),
                        "cannot write the ConfigMap with the mesh's root; trying again"
                    );
                }
            }
        }
        drop(written);
        self.publish_trusted(wanted);
        again
    }

    /// Publishes the roots that namespaces trust. Kubelets need a minute or two to pass them on to
    /// pods that run, for which the overlap of a rotation allows.
    fn publish_trusted(&mut self, wanted: &Bundle) {
        let before = self.trusted.borrow().clone();
        let now = trusted(&mut self.found, wanted, self.settings.patience, &before);
        self.trusted.send_if_modified(|trusted| {
            let differs = *trusted != now;
            *trusted = now;
            differs
        });
    }

    /// Tells operators of ConfigMaps that a change of the CA does not wait for.
    fn say_what_is_wrong(&mut self, wanted: &Bundle) {
        for (namespace, found) in &mut self.found {
            let Some(wrong) = found.wrong(wanted, self.settings.patience) else {
                continue;
            };
            let note = wrong.note();
            tracing::warn!(namespace, name = self.settings.name, "{note}");
            let Some(map) = found.map() else { continue };
            self.reports.send_once(Report {
                reference: map.object_ref(&()),
                reason: wrong.reason(),
                action: "Reconcile",
                note: note.to_owned(),
            });
        }
    }
}

/// Whether the API server has refused a write, and will do so again.
fn is_refused(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    (400..500).contains(&status.code) && status.code != 429
}

/// Creates or replaces a ConfigMap. Returns it as it is now; `None` if another replica was
/// faster, whose version the watch will bring.
async fn write(
    client: Client,
    namespace: &str,
    name: &str,
    map: &ConfigMap,
) -> kube::Result<Option<ConfigMap>> {
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let parameters = PostParams::default();
    let written = if map.metadata.resource_version.is_some() {
        with_timeout(api.replace(name, &parameters, map)).await
    } else {
        with_timeout(api.create(&parameters, map)).await
    };
    match written {
        Ok(map) => Ok(Some(map)),
        // A conflict, or the namespace is gone.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
            with_timeout(api.get_opt(name)).await
        }
        Err(error) => Err(error),
    }
}
