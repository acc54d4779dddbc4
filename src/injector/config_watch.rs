//! The configuration, from two ConfigMaps.
//!
//! A configuration that is at fault is reported, in the log, by a metric and by
//! an Event on the ConfigMap, and the last good one stays in force.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        events::{Event, EventType, Recorder, Reporter},
        watcher,
    },
};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Args, Shared, native};
use crate::{
    inject::{Config, ConfigError, Sources},
    webhook::Condition,
};

/// How often the nodes are asked whether sidecars may be native.
const NATIVE_REFRESH: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(1);
/// The API refuses an Event's note of more than 1 kB.
const NOTE: usize = 1000;

/// Which ConfigMaps.
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

/// Keeps the configuration current.
pub(super) async fn run(client: Client, source: Source, shared: Shared) {
    // First, for no pod is to get the other kind of sidecar at the start.
    while !refresh_native(&client, &shared).await {
        sleep(RETRY).await;
    }
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &source.namespace);
    let mut watches = pin!(stream::select(
        watch(&api, &source.injector),
        watch(&api, &source.mesh)
    ));
    let mut refresh = interval(NATIVE_REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keeper = Keeper::new(client.clone(), source, shared.clone());
    loop {
        tokio::select! {
            Some(event) = watches.next() => match event {
                Ok(event) => keeper.take(event).await,
                Err(error) => tracing::warn!(%error, "the watch of the ConfigMaps was interrupted; it is taken up again"),
            },
            _ = refresh.tick() => {
                refresh_native(&client, &shared).await;
            }
        }
    }
}

fn watch(
    api: &Api<ConfigMap>,
    name: &str,
) -> impl futures::Stream<Item = Result<watcher::Event<ConfigMap>, watcher::Error>> + Send + use<> {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    watcher(api.clone(), config).default_backoff()
}

async fn refresh_native(client: &Client, shared: &Shared) -> bool {
    match native::cluster_has_native_sidecars(client).await {
        Ok(native) => {
            if native != shared.current.native_sidecars() {
                tracing::info!(native, "whether the cluster runs native sidecars");
            }
            shared.current.set_native_sidecars(native);
            true
        }
        Err(error) => {
            tracing::warn!(%error, "cannot tell whether the cluster runs native sidecars");
            false
        }
    }
}

/// The ConfigMaps as last seen, and what became of them.
struct Keeper {
    source: Source,
    shared: Shared,
    recorder: Recorder,
    seen: BTreeMap<String, ConfigMap>,
    /// How many of the two watches have told all they know.
    listed: usize,
    /// The texts that were tried last, so that an edit of a label tries nothing.
    tried: Option<[String; 3]>,
    generation: u64,
}

impl Keeper {
    fn new(client: Client, source: Source, shared: Shared) -> Self {
        let reporter = Reporter {
            controller: "pillion-injector".to_owned(),
            instance: std::env::var("POD_NAME").ok(),
        };
        Self {
            source,
            shared,
            recorder: Recorder::new(client, reporter),
            seen: BTreeMap::new(),
            listed: 0,
            tried: None,
            generation: 0,
        }
    }

    async fn take(&mut self, event: watcher::Event<ConfigMap>) {
        match event {
            watcher::Event::Init => return,
            watcher::Event::InitApply(map) => {
                self.seen.insert(map.name_any(), map);
                return;
            }
            watcher::Event::InitDone => self.listed += 1,
            watcher::Event::Apply(map) => {
                self.seen.insert(map.name_any(), map);
            }
            watcher::Event::Delete(map) => {
                self.seen.remove(&map.name_any());
                self.report_deleted(&map).await;
                return;
            }
        }
        if self.listed >= 2 {
            self.reload().await;
        }
    }

    async fn reload(&mut self) {
        let texts = match self.texts() {
            Ok(texts) => texts,
            Err(missing) => {
                tracing::error!(
                    missing,
                    namespace = self.source.namespace,
                    "the configuration is not complete"
                );
                return;
            }
        };
        if self.tried.as_ref() == Some(&texts) {
            return;
        }
        let [config, values, mesh] = &texts;
        let parsed = Config::parse(&Sources {
            config,
            values,
            mesh,
        });
        self.tried = Some(texts);
        match parsed {
            Ok(config) => {
                self.generation += 1;
                self.shared.current.replace(config);
                self.shared.readiness.set(Condition::Configuration, true);
                self.shared.metrics.config_loaded(self.generation);
                tracing::info!(generation = self.generation, "configuration loaded");
            }
            Err(error) => self.report_faults(&error).await,
        }
    }

    fn texts(&self) -> Result<[String; 3], String> {
        let injector = self.map(&self.source.injector)?;
        let mesh = self.map(&self.source.mesh)?;
        let key = |map: &ConfigMap, key: &str| {
            let text = map.data.as_ref().and_then(|data| data.get(key));
            text.cloned()
                .ok_or_else(|| format!("the ConfigMap {} has no key {key}", map.name_any()))
        };
        Ok([
            key(injector, "config")?,
            key(injector, "values")?,
            key(mesh, "mesh")?,
        ])
    }

    fn map(&self, name: &str) -> Result<&ConfigMap, String> {
        self.seen
            .get(name)
            .ok_or_else(|| format!("there is no ConfigMap {name}"))
    }

    async fn report_faults(&self, error: &ConfigError) {
        self.shared.metrics.config_rejected();
        let consequence = if self.generation == 0 {
            "nothing is injected until it is mended"
        } else {
            "the last good configuration stays in force"
        };
        for fault in &error.faults {
            tracing::error!(fault, consequence, "the configuration is at fault");
        }
        let (mesh, injector): (Vec<_>, Vec<_>) = error
            .faults
            .iter()
            .cloned()
            .partition(|fault| fault.starts_with("mesh: "));
        for (name, faults) in [(&self.source.injector, injector), (&self.source.mesh, mesh)] {
            if let (Some(map), false) = (self.seen.get(name), faults.is_empty()) {
                let note = format!("{consequence}: {}", faults.join("; "));
                self.publish(map, "InvalidConfiguration", note).await;
            }
        }
    }

    async fn report_deleted(&self, map: &ConfigMap) {
        let name = map.name_any();
        tracing::error!(
            name,
            "a ConfigMap of the configuration was deleted; the last good configuration stays in force"
        );
        self.shared.metrics.config_rejected();
        let note = "it was deleted; the last good configuration stays in force until this injector restarts".to_owned();
        self.publish(map, "ConfigurationDeleted", note).await;
    }

    async fn publish(&self, map: &ConfigMap, reason: &str, mut note: String) {
        if note.len() > NOTE {
            let end = (0..=NOTE - 4)
                .rev()
                .find(|end| note.is_char_boundary(*end))
                .unwrap_or(0);
            note.truncate(end);
            note.push('…');
        }
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note),
            action: "Reload".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &map.object_ref(&())).await {
            tracing::warn!(%error, "cannot publish an Event");
        }
    }
}
