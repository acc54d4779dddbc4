//! One simulated proxy.

use std::{collections::HashSet, sync::Arc};

use pillion_envoy_api::{
    envoy::config::core::v3::Node,
    type_url::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION},
};
use pillion_xds::client::{self, Client, Connect, Event, Handle, Update};

use crate::{
    fleet::{Fleet, Word},
    names::{Pod, VERSIONS},
};

/// What a proxy has, and waits for.
#[derive(Debug, Default)]
struct Progress {
    has_begun: bool,
    has_listeners: bool,
    clusters: usize,
    /// Routes and endpoints that it has asked for and not got.
    outstanding: HashSet<Arc<str>>,
    is_complete: bool,
}

/// Follows discovery as a pod's proxy, for as long as the process runs.
pub(crate) async fn follow(number: usize, connect: Connect, fleet: Arc<Fleet>) {
    let pod = Pod::nth(number);
    let namespace = pod.service.namespace();
    let node = Node {
        id: format!(
            "sidecar~{}~{}.{namespace}~{namespace}.svc.cluster.local",
            pod.ip(),
            pod.name()
        ),
        cluster: format!("{}.{namespace}", pod.service.name()),
        ..Node::default()
    };
    let (handle, mut events, task) = client::run(connect, Client::new(node));
    let task = tokio::spawn(task);
    for kind in [CLUSTER, LISTENER] {
        handle.subscribe(kind, vec![Arc::from("*")]).await;
    }
    let mut progress = Progress::default();
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected => {}
            Event::Update(update) => {
                progress.has_begun = true;
                fleet.count(&update);
                fleet.look(number, &update);
                progress.take(&update, &handle).await;
                handle.ack(update.type_url, update.nonce).await;
                if progress.becomes_complete(&fleet) {
                    fleet.say(Word::Complete);
                }
            }
            // The server checks a few tokens of an address at a time, and all proxies have the same one.
            Event::Disconnected { .. } if !progress.has_begun => {}
            Event::Disconnected { reason, .. } => fleet.say(Word::Failed(reason)),
            Event::Refused { name, error, .. } => {
                fleet.say(Word::Failed(format!("{name}: {error}")));
            }
        }
    }
    task.abort();
}

impl Progress {
    /// Asks for what an update cites.
    async fn take(&mut self, update: &Update, handle: &Handle) {
        let changed = update.changed.iter().map(|resource| &resource.name);
        let cites = |prefix: &str, name: &Arc<str>| name.strip_prefix(prefix).map(Arc::<str>::from);
        let (kind, names): (_, Vec<Arc<str>>) = match update.type_url {
            CLUSTER => {
                let cited = changed.filter(|name| name.starts_with("outbound|"));
                (CLUSTER_LOAD_ASSIGNMENT, cited.cloned().collect())
            }
            LISTENER => {
                self.has_listeners = true;
                // As Istio names both: the listener by its address, its route table by its port.
                let cited = changed.filter_map(|name| cites("0.0.0.0_", name));
                (ROUTE_CONFIGURATION, cited.collect())
            }
            _ => {
                for name in changed.chain(&update.removed) {
                    self.outstanding.remove(name);
                }
                return;
            }
        };
        if update.type_url == CLUSTER && !self.is_complete {
            self.clusters += names.len();
        }
        if !self.is_complete {
            self.outstanding.extend(names.iter().cloned());
        }
        if !names.is_empty() {
            handle.subscribe(kind, names).await;
        }
    }

    /// Whether it has everything now, and had not before.
    fn becomes_complete(&mut self, fleet: &Fleet) -> bool {
        let all = fleet.services * (1 + VERSIONS.len());
        let has = self.has_listeners && self.clusters >= all && self.outstanding.is_empty();
        has && !std::mem::replace(&mut self.is_complete, true)
    }
}
