//! The configuration, from two ConfigMaps.
//!
//! An invalid configuration is reported in the log, by a metric and by an Event on the
//! ConfigMap, and the last good one stays in use.

use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt};
use pillion_inject::{Config, ConfigError, ConfigKey, Fault, Sources};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    args::Args,
    shared::{CONTROLLER, Shared},
};
use crate::{
    cluster::{Events, cluster_has_native_sidecars, is_forbidden, watch_object},
    error_chain,
};

/// How often to check whether the nodes support native sidecars.
const NATIVE_REFRESH: Duration = Duration::from_mins(5);
const RETRY: Duration = Duration::from_secs(1);

/// The ConfigMaps of the configuration.
#[derive(Debug)]
pub(super) struct Source {
    namespace: String,
    injector: String,
    mesh: String,
}

impl Source {
    pub fn new(args: &Args) -> Self {
        Self {
            namespace: args.namespace.clone(),
            injector: args.revisioned("istio-sidecar-injector"),
            mesh: args.revisioned("istio"),
        }
    }
}

/// Keeps the configuration up to date.
pub(super) async fn run(client: Client, source: Source, shared: Shared) {
    // Do this first, so that no pod gets the wrong kind of sidecar at the start.
    find_native(&client, &shared).await;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &source.namespace);
    let mut changes = stream::select(
        watch_object(api.clone(), &source.injector).map(|map| (Which::Injector, map)),
        watch_object(api, &source.mesh).map(|map| (Which::Mesh, map)),
    );
    let mut refresh = interval(NATIVE_REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reconciler = Reconciler::new(client.clone(), source, shared.clone());
    loop {
        tokio::select! {
            Some((which, map)) = changes.next() => match map {
                Ok(map) => reconciler.take(which, map).await,
                Err(error) => tracing::warn!(error = error_chain(&error), "the watch of the ConfigMaps failed; watching again"),
            },
            _ = refresh.tick() => {
                refresh_native(&client, &shared).await;
            }
        }
    }
}

/// Finds out whether the cluster supports native sidecars. Without permission to do so,
/// sidecars are classic ones.
async fn find_native(client: &Client, shared: &Shared) {
    loop {
        match cluster_has_native_sidecars(client).await {
            Ok(native) => {
                tracing::info!(
                    native,
                    "checked whether the cluster supports native sidecars"
                );
                return shared.active_config.set_native_sidecars(native);
            }
            // Retrying would not help, and pods must not wait for it.
            Err(error) if is_forbidden(&error) => {
                return tracing::warn!(
                    error = error_chain(&error),
                    "no permission to list the nodes, to check whether they support native sidecars; `auto` means \
                     classic ones"
                );
            }
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "cannot check whether the cluster supports native sidecars; trying again"
                );
                sleep(RETRY).await;
            }
        }
    }
}

/// Checks again whether the cluster supports native sidecars; the previous result stays if
/// that fails.
async fn refresh_native(client: &Client, shared: &Shared) {
    match cluster_has_native_sidecars(client).await {
        Ok(native) => {
            if native != shared.active_config.native_sidecars() {
                tracing::info!(
                    native,
                    "the cluster's support of native sidecars has changed"
                );
            }
            shared.active_config.set_native_sidecars(native);
        }
        Err(error) => tracing::debug!(
            error = error_chain(&error),
            "cannot check whether the cluster supports native sidecars; the previous result stays"
        ),
    }
}

/// The two ConfigMaps.
#[derive(Debug, Clone, Copy)]
enum Which {
    Injector,
    Mesh,
}

/// A ConfigMap as last seen.
#[derive(Debug, Default)]
struct Seen {
    map: Option<ConfigMap>,
    /// Whether it is known if the ConfigMap exists.
    was_read: bool,
}

impl Seen {
    /// Records the ConfigMap's current state. Returns the ConfigMap if it has been deleted.
    fn take(&mut self, map: Option<ConfigMap>) -> Option<ConfigMap> {
        self.was_read = true;
        let before = std::mem::replace(&mut self.map, map);
        before.filter(|_| self.map.is_none())
    }
}

/// A part of the configuration that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Incomplete {
    #[error("the ConfigMap {0} does not exist")]
    Map(String),
    #[error("the ConfigMap {map} has no key {key}")]
    Key { map: String, key: &'static str },
}

/// Loads the configuration whenever a ConfigMap changes.
struct Reconciler {
    source: Source,
    shared: Shared,
    events: Events,
    injector: Seen,
    mesh: Seen,
    /// What was loaded last, so that a change of a label does not load it again.
    tried: Option<Result<[String; 3], Incomplete>>,
    generation: u64,
}

impl Reconciler {
    fn new(client: Client, source: Source, shared: Shared) -> Self {
        Self {
            source,
            shared,
            events: Events::new(client, CONTROLLER),
            injector: Seen::default(),
            mesh: Seen::default(),
            tried: None,
            generation: 0,
        }
    }

    async fn take(&mut self, which: Which, map: Option<ConfigMap>) {
        let seen = match which {
            Which::Injector => &mut self.injector,
            Which::Mesh => &mut self.mesh,
        };
        match seen.take(map) {
            Some(deleted) => self.report_deleted(&deleted).await,
            None if self.injector.was_read && self.mesh.was_read => self.reload().await,
            None => {}
        }
    }

    async fn reload(&mut self) {
        let texts = self.texts();
        if self.tried.as_ref() == Some(&texts) {
            return;
        }
        match &texts {
            Err(incomplete) => self.report_incomplete(incomplete).await,
            Ok([config, values, mesh]) => {
                let parsed = Config::parse(&Sources {
                    config,
                    values,
                    mesh,
                });
                match parsed {
                    Ok(config) => self.activate(config),
                    Err(error) => self.report_faults(&error).await,
                }
            }
        }
        self.tried = Some(texts);
    }

    fn activate(&mut self, config: Config) {
        self.generation += 1;
        for warning in config.warnings() {
            let warning = warning.to_string();
            tracing::warn!(warning, "a part of the configuration has no effect");
        }
        self.shared.active_config.replace(config);
        self.shared.conditions.configuration.set(true);
        self.shared.metrics.config_loaded(self.generation);
        tracing::info!(generation = self.generation, "configuration loaded");
    }

    fn texts(&self) -> Result<[String; 3], Incomplete> {
        let key = |seen: &Seen, name: &str, key: &'static str| {
            let map = seen.map.as_ref();
            let map = map.ok_or_else(|| Incomplete::Map(name.to_owned()))?;
            let text = map.data.as_ref().and_then(|data| data.get(key));
            text.cloned().ok_or_else(|| Incomplete::Key {
                map: name.to_owned(),
                key,
            })
        };
        Ok([
            key(&self.injector, &self.source.injector, "config")?,
            key(&self.injector, &self.source.injector, "values")?,
            key(&self.mesh, &self.source.mesh, "mesh")?,
        ])
    }

    fn consequence(&self) -> &'static str {
        if self.generation == 0 {
            "no pod is injected until it is fixed"
        } else {
            "the last good configuration stays in use"
        }
    }

    async fn report_incomplete(&self, incomplete: &Incomplete) {
        let consequence = self.consequence();
        tracing::error!(
            missing = %incomplete,
            namespace = self.source.namespace,
            consequence,
            "the configuration is incomplete"
        );
        // A ConfigMap that does not exist is not a bad edit, and can't have an Event.
        let Incomplete::Key { map, .. } = incomplete else {
            return;
        };
        self.shared.metrics.config_rejected();
        let seen = [
            (&self.source.injector, &self.injector),
            (&self.source.mesh, &self.mesh),
        ];
        let named = seen.into_iter().find(|(name, _)| *name == map);
        if let Some(map) = named.and_then(|(_, seen)| seen.map.as_ref()) {
            let note = format!("{consequence}: {incomplete}");
            self.events.warn(map, "InvalidConfiguration", note).await;
        }
    }

    async fn report_faults(&self, error: &ConfigError) {
        self.shared.metrics.config_rejected();
        let consequence = self.consequence();
        for fault in &error.faults {
            let fault = fault.to_string();
            tracing::error!(fault, consequence, "the configuration is invalid");
        }
        let (mesh, injector): (Vec<_>, Vec<_>) = error
            .faults
            .iter()
            .partition(|fault| fault.key == Some(ConfigKey::Mesh));
        for (seen, faults) in [(&self.injector, injector), (&self.mesh, mesh)] {
            if let (Some(map), false) = (&seen.map, faults.is_empty()) {
                let texts: Vec<_> = faults.into_iter().map(Fault::to_string).collect();
                let note = format!("{consequence}: {}", texts.join("; "));
                self.events.warn(map, "InvalidConfiguration", note).await;
            }
        }
    }

    async fn report_deleted(&self, map: &ConfigMap) {
        let (name, consequence) = (map.name_any(), self.consequence());
        tracing::error!(
            name,
            consequence,
            "a ConfigMap with the configuration was deleted"
        );
        self.shared.metrics.config_rejected();
        let mut note = format!("the ConfigMap was deleted; {consequence}");
        if self.generation > 0 {
            note.push_str(" until this injector restarts");
        }
        self.events.warn(map, "ConfigurationDeleted", note).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_a_deletion() {
        let mut seen = Seen::default();
        assert!(seen.take(Some(ConfigMap::default())).is_none());
        assert!(seen.was_read && seen.map.is_some());
        assert!(seen.take(None).is_some());
        assert!(seen.map.is_none());
    }

    #[test]
    fn does_not_take_an_absent_map_for_a_deletion_at_the_start() {
        let mut seen = Seen::default();
        assert!(seen.take(None).is_none());
        assert!(seen.was_read);
    }
}
