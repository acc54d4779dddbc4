//! The threads that carry traffic.

#[cfg(test)]
mod tests;

use std::{collections::HashMap, io, net, rc::Rc, sync::Arc, thread, time::Duration};

use pillion_serve::{Listener, PortMetrics};
use tokio::{
    net::TcpListener,
    runtime,
    sync::{
        mpsc::{self, UnboundedReceiver},
        watch,
    },
    task::{AbortHandle, JoinSet, spawn_local},
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection,
    entrance::{Entrance, Entrances, Order},
};
use crate::{
    identity::Credentials,
    metrics::Metrics,
    pipeline::{Edge, Worker},
    records::Records,
    tables::{Current, Snapshot},
    traffic::Traffic,
    transport::{Configs, Transport},
};

/// How long workers may take to end, which is no more than to let go of their connections.
const STOPPING: Duration = Duration::from_secs(2);

/// The workers, until they are stopped.
#[derive(Debug)]
pub(super) struct Workers {
    ended: mpsc::Receiver<String>,
    stop: CancellationToken,
}

/// What all workers share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub traffic: Arc<Traffic>,
    pub metrics: Arc<Metrics>,
    pub records: Arc<Records>,
    pub tables: watch::Receiver<Arc<Snapshot>>,
    /// Cancelled when clients are to connect elsewhere.
    pub drain: CancellationToken,
    /// Whether the server's sidecar takes HTTP/1.0.
    pub accepts_http10: bool,
    /// What is done to requests from outside of the mesh, at a gateway.
    pub edge: Option<Edge>,
    /// What the control plane calls the proxy; empty without one.
    pub node: Arc<str>,
    /// The sessions of TLS, and what they are made with.
    pub configs: Arc<Configs>,
    pub credentials: watch::Receiver<Option<Arc<Credentials>>>,
}

impl Workers {
    /// Starts them. They accept connections where the entrances are told to.
    ///
    /// # Errors
    ///
    /// When the system has no more threads.
    pub fn start(count: usize, shared: &Shared) -> io::Result<(Self, Entrances)> {
        let (sender, ended) = mpsc::channel(count.max(1));
        let stop = CancellationToken::new();
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            // There are as few orders as changes of the ports that a configuration has.
            let (worker, orders) = mpsc::unbounded_channel();
            workers.push(worker);
            let (shared, stop) = (shared.clone(), stop.clone());
            let sender = sender.clone();
            thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    let text = match run(orders, shared, stop) {
                        Ok(()) => "it has stopped accepting connections".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    // The process may be ending, too.
                    let _ = sender.try_send(text);
                })?;
        }
        let entrances = Entrances {
            workers,
            tables: shared.tables.clone(),
            metrics: Arc::clone(&shared.metrics),
        };
        Ok((Self { ended, stop }, entrances))
    }

    /// Waits for the end of one of them, which is a fault.
    pub async fn ended(&mut self) -> String {
        self.ended
            .recv()
            .await
            .unwrap_or_else(|| "it panicked".to_owned())
    }

    /// Ends all of them, and cuts their connections. What came of these is recorded once this
    /// returns.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let all = async { while self.ended.recv().await.is_some() {} };
        if timeout(STOPPING, all).await.is_err() {
            tracing::warn!(
                "a worker has not ended within {STOPPING:?}; the last lines of the access log are missing"
            );
        }
    }
}

/// Connections of a worker stay on its thread: what they share needs no lock.
fn run(
    orders: UnboundedReceiver<Order>,
    shared: Shared,
    stop: CancellationToken,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(runtime::LocalOptions::default())?;
    // All tasks end with the runtime, those of connections among them.
    runtime.block_on(serve(orders, shared, stop))
}

async fn serve(
    mut orders: UnboundedReceiver<Order>,
    shared: Shared,
    stop: CancellationToken,
) -> io::Result<()> {
    let tables = Current::new(&shared.tables);
    let mut worker = Worker::new(
        tables.clone(),
        shared.records.recorder(),
        shared.drain.child_token(),
        shared.accepts_http10,
        shared.edge.clone(),
    );
    worker.node = Arc::clone(&shared.node);
    worker.http2_setup.metrics = shared.metrics.http2().clone();
    worker.transport = Transport::new(&shared.configs, &shared.credentials);
    let worker = Rc::new(worker);
    let (follower, newer) = (Rc::clone(&worker), shared.credentials.clone());
    spawn_local(async move { follower.transport.follow(newer).await });
    spawn_local(tables.follow(shared.tables.clone()));
    let sweeper = Rc::clone(&worker);
    spawn_local(async move { sweeper.sweep().await });
    spawn_local(count_violations(
        Rc::clone(&worker),
        Arc::clone(&shared.metrics),
    ));
    let mut doors = Doors {
        shared,
        worker,
        port: PortMetrics::default(),
        tasks: JoinSet::new(),
        open: HashMap::new(),
    };
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Open(entrance, sockets)) => doors.open(entrance, sockets)?,
                Some(Order::Close(entrance)) => doors.close(entrance),
                None => return Ok(()),
            },
            () = stop.cancelled() => return Ok(()),
            Some(ended) = doors.tasks.join_next() => match ended {
                // It was closed.
                Err(error) if error.is_cancelled() => {}
                _ => return Ok(()),
            },
        }
    }
}

/// Counts the clients that broke the rules of TLS, every second.
async fn count_violations(worker: Rc<Worker>, metrics: Arc<Metrics>) {
    let mut second = interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        metrics.tls().broken(worker.transport.take_violations());
    }
}

/// The entrances of one worker.
struct Doors {
    shared: Shared,
    worker: Rc<Worker>,
    port: PortMetrics,
    /// One for each socket.
    tasks: JoinSet<()>,
    open: HashMap<Entrance, Vec<AbortHandle>>,
}

impl Doors {
    fn open(&mut self, entrance: Entrance, sockets: Vec<net::TcpListener>) -> io::Result<()> {
        for socket in sockets {
            let listener = Listener::new(TcpListener::from_std(socket)?);
            let (shared, worker) = (self.shared.clone(), Rc::clone(&self.worker));
            let accept = accept(listener, entrance, shared, worker, self.port.clone());
            let task = self.tasks.spawn_local(accept);
            self.open.entry(entrance).or_default().push(task);
        }
        Ok(())
    }

    fn close(&mut self, entrance: Entrance) {
        for task in self.open.remove(&entrance).unwrap_or_default() {
            task.abort();
        }
    }
}

async fn accept(
    mut listener: Listener,
    entrance: Entrance,
    shared: Shared,
    worker: Rc<Worker>,
    port: PortMetrics,
) {
    loop {
        let (stream, peer) = listener.accept(&port).await;
        let Some((open, evicted)) = shared.traffic.enter(peer.ip()) else {
            shared.metrics.refused(entrance.direction(), "no_room");
            continue;
        };
        let (worker, metrics) = (Rc::clone(&worker), Arc::clone(&shared.metrics));
        let counted = Arc::clone(&metrics);
        // Nobody awaits it: its place bounds it, who ends the process counts the places that are
        // taken, and it ends with the worker.
        spawn_local(async move {
            tokio::select! {
                () = connection::carry(stream, peer, entrance, &open, (worker, metrics)) => {}
                () = evicted => {
                    counted.evicted();
                    tracing::debug!(%peer, "a connection made room for one of another address");
                }
            }
        });
    }
}
