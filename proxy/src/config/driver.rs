//! Asks the server for the proxy's configuration, and puts it in force.
//!
//! All of it happens on a thread of its own: compiling takes milliseconds, which neither
//! requests nor the kubelet should wait for.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use pillion_certs::Bundle;
use pillion_envoy_api::type_url;
use pillion_serve::Condition;
use pillion_xds::client::{Client, Connect, Event, Handle, Refusal, Update, run};
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    asked::{Asked, Change},
    compile::ROOTS,
    dns::{Answer, Asker, Servers},
    dump::Dump,
    late::Late,
    node::Node,
    roots::Roots,
    store::{Refused, Step, Store, Wanted},
};
use crate::{
    kind::Kind,
    metrics::Metrics,
    tables::{Publisher, Snapshot},
};

/// Where the configuration comes from, and for whom it is.
#[derive(Debug)]
pub(crate) struct Settings {
    pub kind: Kind,
    pub node: Node,
    pub server: Connect,
    /// How long a silent client may speak HTTP where the server sets no limit.
    pub detection_timeout: Duration,
    /// Where the state of the configuration is shown.
    pub metrics: Arc<Metrics>,
    /// Where the mesh's roots go.
    pub roots: watch::Sender<Option<Arc<Bundle>>>,
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
/// How often old tables are looked at that may be freed.
const FREEING: Duration = Duration::from_secs(5);

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
    let (publisher, tables) = Publisher::new(first);
    let (asks, asked) = mpsc::channel(ASKS);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("configuration".to_owned())
        .spawn(move || {
            let address = settings.server.address.clone();
            let store = Store::new(settings.kind, &address, settings.detection_timeout, next);
            runtime.block_on(follow(settings, store, publisher, asked, configured));
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
    tables: Publisher,
    mut asked: mpsc::Receiver<oneshot::Sender<Dump>>,
    configured: Condition,
) {
    let Settings {
        node,
        server,
        metrics,
        roots,
        ..
    } = settings;
    let mut client = Client::new(node.to_message());
    for (type_url, name) in [
        (type_url::SECRET, ROOTS),
        (type_url::CLUSTER, "*"),
        (type_url::LISTENER, "*"),
    ] {
        if let Err((name, error)) = client.subscribe(type_url, [Arc::from(name)]) {
            tracing::error!(type_url, %name, %error, "can't subscribe");
        }
    }
    let address = server.address.clone();
    let (client, mut events, task) = run(server, client);
    // It ends when the handle is dropped, and the events end with it.
    tokio::spawn(task);
    let (answers, mut answered) = mpsc::channel(ANSWERS);
    let mut following = Following {
        address,
        store,
        client,
        asker: Asker::new(Servers::System, answers),
        tables_asked: Asked::new(type_url::ROUTE_CONFIGURATION),
        assignments_asked: Asked::new(type_url::CLUSTER_LOAD_ASSIGNMENT),
        metrics,
        tables,
        configured,
        late: Late::default(),
        roots: Roots::new(roots),
    };
    let mut freeing = interval(FREEING);
    freeing.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = None;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => following.take(event).await,
                None => return tracing::error!("the client of the control plane has ended"),
            },
            Some(Answer { question, addresses }) = answered.recv() => {
                following.store.resolve(question, addresses);
                // Each generation takes a while: what has come meanwhile is in the same one.
                while let Ok(Answer { question, addresses }) = answered.try_recv() {
                    following.store.resolve(question, addresses);
                }
            }
            Some(reply) = asked.recv() => {
                // Whoever asked may have gone.
                let _ = reply.send(following.dump(&node));
                continue;
            }
            _ = freeing.tick(), if following.tables.has_old() => {
                following.tables.free();
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
    tables_asked: Asked,
    assignments_asked: Asked,
    metrics: Arc<Metrics>,
    tables: Publisher,
    configured: Condition,
    /// Clusters that were refused once they were needed.
    late: Late,
    roots: Roots,
}

impl Following {
    async fn take(&mut self, event: Event) {
        let server = &self.address;
        match event {
            Event::Connected => {
                tracing::info!(%server, "connected to the control plane");
                self.metrics.set_connected(true);
            }
            Event::Disconnected { reason, retry } => {
                self.metrics.set_connected(false);
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
        // The regular expressions of old tables count where new ones are compiled.
        self.tables.free();
        let now = (Instant::now(), SystemTime::now());
        tracing::debug!(
            type_url,
            changed = changed.len(),
            removed = removed.len(),
            "configuration"
        );
        let late = match type_url {
            type_url::CLUSTER => {
                self.late.drop_of(&changed, &removed);
                self.late.take()
            }
            _ => Vec::new(),
        };
        let refused = match type_url {
            type_url::SECRET => self.roots.apply(changed, &removed),
            _ => self.store.apply(type_url, changed, &removed, now),
        };
        let mut refusals = self.refuse(type_url, refused);
        refusals.extend(late);
        self.client.nack(type_url, nonce, refusals).await;
    }

    /// Counts and logs what is refused.
    fn refuse(&self, type_url: &'static str, refused: Vec<Refused>) -> Vec<Refusal> {
        let refusals = refused.into_iter().map(|refused| {
            let Refused {
                name,
                version,
                reason,
                is_used,
            } = refused;
            self.metrics.refused_resource(type_url);
            tracing::warn!(type_url, %name, %reason, "refused a part of the configuration");
            Refusal {
                name,
                version,
                reason,
                is_used,
            }
        });
        refusals.collect()
    }

    /// Puts in force what can be. Returns when something happens by itself.
    async fn advance(&mut self) -> Option<Instant> {
        loop {
            let Step {
                snapshot,
                wanted,
                refused,
                next,
            } = self.store.advance(Instant::now());
            let late = self.refuse(type_url::CLUSTER, refused);
            self.late.add(late);
            if let Some(snapshot) = snapshot {
                self.tables.publish(snapshot);
            }
            let has_news = match wanted {
                Some(wanted) => self.ask(wanted).await,
                None => false,
            };
            if !has_news {
                self.tell_state();
                return next;
            }
        }
    }

    /// Says how much of the configuration is in use.
    fn tell_state(&self) {
        let omitted = self.tables_asked.omitted() + self.assignments_asked.omitted();
        self.metrics
            .set_configuration(self.store.refused(), omitted, self.store.unresolved());
        // Names that are omitted don't count: anybody could stop all new pods by many of them.
        if !self.configured.holds() && self.store.is_ready() {
            tracing::info!(server = %self.address, "configured");
            self.configured.set(true);
        }
    }

    /// Asks the server, and DNS. Returns whether the store has been told anything.
    async fn ask(&mut self, wanted: Wanted) -> bool {
        let mut has_news = false;
        for (asked, names) in [
            (&mut self.tables_asked, &wanted.route_configurations),
            (&mut self.assignments_asked, &wanted.load_assignments),
        ] {
            let type_url = asked.type_url();
            let Change {
                gone,
                come,
                omitted,
            } = asked.change(names);
            if !gone.is_empty() {
                self.client.unsubscribe(type_url, gone).await;
            }
            if !come.is_empty() {
                self.client.subscribe(type_url, come).await;
            }
            if !omitted.is_empty() {
                let count = omitted.len();
                tracing::error!(type_url, count, "can't ask for all that is needed");
                self.store.omit(type_url, &omitted);
                has_news = true;
            }
        }
        self.asker.want(&wanted.questions);
        has_news
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
