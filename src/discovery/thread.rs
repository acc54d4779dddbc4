//! The thread that owns the model and renders: work of milliseconds, which must not run where
//! connections are served.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::Arc,
    thread,
};

use pillion_serve::Condition;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    accounts::Accounts,
    client::{Connect, Connected},
    convert::mesh::Mesh,
    findings::Findings,
    metrics::Metrics,
    pace::Pace,
    render::Settings,
    snapshots::Snapshots,
    update::Update,
};
use crate::model::{Change, Dirty, Event, Key, Pod};

/// How many updates are taken in before something is rendered.
const BATCH: usize = 1024;

/// Starts the thread. It ends when all senders of updates are gone.
///
/// `watches` is the number of watches that have to list their objects, and of others that have
/// something to tell, before anything is rendered; `synced` is then set.
///
/// # Errors
///
/// Returns an error if the system can't start a thread.
pub(super) fn start(
    updates: mpsc::Receiver<Update>,
    watches: usize,
    synced: Condition,
    mesh: &Mesh,
    (metrics, findings, accounts): (Arc<Metrics>, Findings, Accounts),
) -> io::Result<oneshot::Receiver<()>> {
    if watches == 0 {
        accounts.complete();
    }
    let owner = Owner {
        snapshots: Snapshots::new(settings(mesh)),
        clients: Vec::new(),
        connected: Vec::new(),
        uids: HashMap::new(),
        accounts,
        dirty: Dirty::default(),
        roots_changed: false,
        pace: Pace::default(),
        waits_for: watches,
        synced,
        metrics,
        findings,
    };
    // Timers are all that it needs.
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let (sender, ended) = oneshot::channel();
    thread::Builder::new()
        .name("model".to_owned())
        .spawn(move || {
            runtime.block_on(owner.run(updates));
            // Nobody waits for it when the process stops.
            let _ = sender.send(());
        })?;
    Ok(ended)
}

/// The model, and the proxies that are connected.
struct Owner {
    snapshots: Snapshots,
    clients: Vec<Connected>,
    /// Those that have connected just now, or before the objects were listed.
    connected: Vec<Connect>,
    /// `metadata.uid` of the pods.
    uids: HashMap<Key, Arc<str>>,
    accounts: Accounts,
    /// What has not gone out yet.
    dirty: Dirty,
    /// The roots have changed, and have not gone out yet.
    roots_changed: bool,
    pace: Pace,
    /// How many watches have not listed their objects yet.
    waits_for: usize,
    synced: Condition,
    metrics: Arc<Metrics>,
    findings: Findings,
}

impl Owner {
    async fn run(mut self, mut updates: mpsc::Receiver<Update>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let due = self.pace.due().into_iter().chain(self.findings.due());
            let due = due.min().filter(|_| self.waits_for == 0);
            tokio::select! {
                taken = updates.recv_many(&mut batch, BATCH) => if taken == 0 { return },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = self.findings.turn() => {}
            }
            for update in batch.drain(..) {
                self.take(update);
            }
            if self.waits_for == 0 {
                let connected = std::mem::take(&mut self.connected);
                self.send(connected);
                self.findings.search(&self.snapshots);
            }
        }
    }

    fn take(&mut self, update: Update) {
        let dirty = match update {
            Update::Object(event) => self.snapshots.apply(*event),
            Update::Pod { change, uid } => self.take_pod(*change, uid),
            Update::Seen(kind, number) => {
                self.findings.seen(kind, number);
                // Whatever the model made of it, it is looked at.
                self.pace.record(Instant::now());
                return;
            }
            Update::Mesh(mesh) => {
                let mut dirty = self.snapshots.apply(Event::Mesh(mesh.model.clone()));
                dirty.rules |= self.snapshots.set(settings(&mesh));
                dirty
            }
            Update::Roots(roots) => {
                self.roots_changed |= self.snapshots.trust(&roots);
                return;
            }
            Update::Synced => {
                self.waits_for = self.waits_for.saturating_sub(1);
                if self.waits_for == 0 {
                    self.accounts.complete();
                    self.synced.set(true);
                }
                return;
            }
            Update::Connect(connect) => return self.connected.push(connect),
        };
        if dirty.rules {
            self.pace.record(Instant::now());
        }
        self.dirty.merge(dirty);
    }

    fn take_pod(&mut self, change: Change<Pod>, uid: Arc<str>) -> Dirty {
        self.accounts.take(&change);
        let key = match &change {
            Change::Apply(pod) => &pod.key,
            Change::Delete(key) => key,
        };
        let before = match &change {
            Change::Apply(_) => self.uids.insert(key.clone(), Arc::clone(&uid)),
            Change::Delete(_) => self.uids.remove(key),
        };
        let key = key.clone();
        let mut dirty = self.snapshots.apply(Event::Pod(change));
        if before.as_deref() != Some(&*uid) {
            dirty.clients.insert(key);
        }
        dirty
    }

    /// Sends what is due.
    fn send(&mut self, connected: Vec<Connect>) {
        let begun = Instant::now();
        self.clients.retain(|client| !client.is_closed());
        let due = self.pace.due().is_some_and(|due| due <= begun);
        let dirty = std::mem::take(&mut self.dirty);
        if due {
            self.snapshots.forget();
        } else {
            self.dirty.rules = dirty.rules;
            if !dirty.endpoints.is_empty() {
                self.snapshots.renew_endpoints(&dirty.endpoints);
            }
        }
        let roots_changed = std::mem::take(&mut self.roots_changed);
        let to_all = due || !dirty.endpoints.is_empty() || roots_changed;
        let to_some = !dirty.clients.is_empty();
        if to_all || to_some {
            let (snapshots, uids) = (&mut self.snapshots, &self.uids);
            self.clients.retain_mut(|client| {
                let is_new = dirty.clients.contains(client.pod());
                if !to_all && !is_new {
                    return true;
                }
                client.send(snapshots, uids, is_new)
            });
            self.metrics.rendered(begun.elapsed());
        }
        for connect in connected {
            let mut client = Connected::new(connect);
            if client.send(&mut self.snapshots, &self.uids, true) {
                self.clients.push(client);
            }
        }
        if due {
            self.snapshots.prune();
            let now = Instant::now();
            self.pace.sent(now, now - begun);
            self.findings.rules_changed(now);
        } else if to_all || to_some {
            self.findings.pods_changed(Instant::now());
        }
    }
}

/// What the mesh's configuration says to the renderer.
fn settings(mesh: &Mesh) -> Settings {
    Settings {
        access_log_file: Arc::clone(&mesh.access_log_file),
        access_log_format: Arc::clone(&mesh.access_log_format),
        connect_timeout: mesh.model.connect_timeout,
        outbound: mesh.model.outbound,
        mutual_tls: mesh.model.mutual_tls.then(|| {
            let trusted: BTreeSet<_> = mesh.model.trust_domains().cloned().collect();
            trusted.into_iter().collect()
        }),
        trusted_proxies: mesh.trusted_proxies,
    }
}
