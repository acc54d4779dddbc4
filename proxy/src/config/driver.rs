//! Asks the server for the proxy's configuration, and puts it in force.
//!
//! All of it happens on a thread of its own: compiling takes milliseconds, which neither
//! requests nor the kubelet should wait for.

use std::{
    collections::BTreeSet,
    io,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use pillion_envoy_api::type_url;
use pillion_serve::Condition;
use pillion_xds::client::{Client, Connect, Event, Handle, Refusal, Update, run};
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    dns::{Answer, Asker, Servers},
    dump::Dump,
    kind::Kind,
    node::Node,
    store::{Step, Store, Wanted},
};
use crate::tables::Snapshot;

/// Where the configuration comes from, and for whom it is.
#[derive(Debug)]
pub(crate) struct Settings {
    pub kind: Kind,
    pub node: Node,
    pub server: Connect,
    /// How long a silent client may speak HTTP where the server sets no limit.
    pub detection_timeout: Duration,
}

/// A running driver.
#[derive(Debug)]
pub(crate) struct Driver {
    /// The newest tables.
    pub tables: watch::Receiver<Arc<Snapshot>>,
    /// For [`Dump`]s.
    pub dumps: mpsc::Sender<oneshot::Sender<Dump>>,
}

/// Dumps that are asked for at a time.
const ASKS: usize = 4;
/// Answers of DNS that wait.
const ANSWERS: usize = 64;

/// Starts the driver on its thread. `first` is in force until there is a configuration, and
/// `configured` holds from then on.
///
/// # Errors
///
/// When the system has no more threads.
pub(crate) fn start(
    settings: Settings,
    first: Snapshot,
    configured: Condition,
) -> io::Result<Driver> {
    let next = first.generation + 1;
    let (sender, tables) = watch::channel(Arc::new(first));
    let (asks, asked) = mpsc::channel(ASKS);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("configuration".to_owned())
        .spawn(move || {
            let address = settings.server.address.clone();
            let store = Store::new(settings.kind, &address, settings.detection_timeout, next);
            runtime.block_on(follow(settings, store, sender, asked, configured));
        })?;
    Ok(Driver {
        tables,
        dumps: asks,
    })
}

/// Follows the server for as long as the process runs.
pub(super) async fn follow(
    settings: Settings,
    store: Store,
    tables: watch::Sender<Arc<Snapshot>>,
    mut asked: mpsc::Receiver<oneshot::Sender<Dump>>,
    configured: Condition,
) {
    let Settings { node, server, .. } = settings;
    let mut client = Client::new(node.to_message());
    for type_url in [type_url::CLUSTER, type_url::LISTENER] {
        if let Err((name, error)) = client.subscribe(type_url, [Arc::from("*")]) {
            tracing::error!(type_url, %name, %error, "can't subscribe");
        }
    }
    let address = server.address.clone();
    let (client, mut events, task) = run(server, client);
    tokio::spawn(task);
    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let mut following = Following {
        address,
        store,
        client,
        asker: Asker::new(Servers::System, answers),
        wanted: Wanted::default(),
        tables,
        configured,
    };
    let mut next = None;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => following.take(event).await,
                None => return tracing::error!("the client of the control plane has ended"),
            },
            Some(Answer { question, addresses }) = answered.recv() => {
                following.store.resolve(question, addresses);
            }
            Some(reply) = asked.recv() => {
                // Whoever asked may have gone.
                let _ = reply.send(following.dump(&node));
                continue;
            }
            () = until(next) => {}
        }
        next = following.advance().await;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

struct Following {
    /// The server's, for the log.
    address: String,
    store: Store,
    client: Handle,
    asker: Asker,
    wanted: Wanted,
    tables: watch::Sender<Arc<Snapshot>>,
    configured: Condition,
}

impl Following {
    async fn take(&mut self, event: Event) {
        let server = &self.address;
        match event {
            Event::Connected => tracing::info!(%server, "connected to the control plane"),
            Event::Disconnected { reason, retry } => {
                tracing::warn!(%server, %reason, ?retry, "not connected to the control plane");
            }
            Event::Refused {
                type_url,
                name,
                error,
            } => {
                tracing::error!(type_url, %name, %error, "can't ask for a part of the configuration");
            }
            Event::Update(update) => self.update(update).await,
        }
    }

    async fn update(&mut self, update: Update) {
        let Update {
            type_url,
            changed,
            removed,
            nonce,
        } = update;
        let now = (Instant::now(), SystemTime::now());
        tracing::debug!(
            type_url,
            changed = changed.len(),
            removed = removed.len(),
            "configuration"
        );
        let refused = self.store.apply(type_url, changed, &removed, now);
        let refusals = refused.into_iter().map(|refused| {
            let (name, reason) = (refused.name, refused.reason);
            tracing::warn!(type_url, %name, %reason, "refused a part of the configuration");
            Refusal { name, reason }
        });
        self.client.nack(type_url, nonce, refusals.collect()).await;
    }

    /// Puts in force what can be. Returns when something happens by itself.
    async fn advance(&mut self) -> Option<Instant> {
        let Step {
            snapshot,
            wanted,
            next,
        } = self.store.advance(Instant::now());
        if let Some(snapshot) = snapshot {
            tracing::debug!(generation = snapshot.generation, "newer tables");
            self.tables.send_replace(Arc::new(snapshot));
        }
        if self.store.is_configured() && !self.configured.holds() {
            tracing::info!(server = %self.address, "configured");
            self.configured.set(true);
        }
        if let Some(wanted) = wanted {
            self.ask(wanted).await;
        }
        next
    }

    async fn ask(&mut self, wanted: Wanted) {
        let old = std::mem::replace(&mut self.wanted, wanted);
        let new = &self.wanted;
        for (type_url, old, new) in [
            (
                type_url::ROUTE_CONFIGURATION,
                &old.route_configurations,
                &new.route_configurations,
            ),
            (
                type_url::CLUSTER_LOAD_ASSIGNMENT,
                &old.load_assignments,
                &new.load_assignments,
            ),
        ] {
            let gone = difference(old, new);
            if !gone.is_empty() {
                self.client.unsubscribe(type_url, gone).await;
            }
            let come = difference(new, old);
            if !come.is_empty() {
                self.client.subscribe(type_url, come).await;
            }
        }
        self.asker.want(&new.questions);
    }

    fn dump(&self, node: &Node) -> Dump {
        Dump {
            node: Some(node.clone()),
            listeners: self.store.held_listeners(),
            clusters: self.store.held_clusters(),
            route_configurations: self.store.held_tables(),
            load_assignments: self.store.held_assignments(),
        }
    }
}

fn difference(of: &BTreeSet<Arc<str>>, without: &BTreeSet<Arc<str>>) -> Vec<Arc<str>> {
    of.difference(without).cloned().collect()
}
