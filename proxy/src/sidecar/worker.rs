//! The threads that carry traffic.

use std::{io, rc::Rc, sync::Arc, thread};

use pillion_serve::{Listener, PortMetrics};
use tokio::{
    net::TcpListener,
    runtime,
    sync::{mpsc, watch},
    task::{JoinSet, spawn_local},
};
use tokio_util::sync::CancellationToken;

use super::{connection, port_numbers};
use crate::{
    metrics::Metrics,
    net::bind::bind,
    pipeline::Worker,
    records::Records,
    tables::{Current, Snapshot},
    traffic::{Direction, Traffic},
};

/// The workers, for as long as the process runs.
#[derive(Debug)]
pub(super) struct Workers {
    ended: mpsc::Receiver<String>,
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
}

impl Workers {
    /// Starts them. All of them listen once this returns.
    ///
    /// # Errors
    ///
    /// When a port can't be used, or the system has no more threads.
    pub fn start(count: usize, shared: &Shared) -> io::Result<Self> {
        let (sender, ended) = mpsc::channel(count.max(1));
        for number in 0..count {
            let ports = [
                (Direction::Outbound, bind(port_numbers::OUTBOUND)?),
                (Direction::Inbound, bind(port_numbers::INBOUND)?),
            ];
            let shared = shared.clone();
            let sender = sender.clone();
            thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    let text = match run(ports, shared) {
                        Ok(()) => "it has stopped accepting connections".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    // The process may be ending, too.
                    let _ = sender.try_send(text);
                })?;
        }
        Ok(Self { ended })
    }

    /// Waits for the end of one of them, which is a fault.
    pub async fn ended(&mut self) -> String {
        self.ended
            .recv()
            .await
            .unwrap_or_else(|| "it panicked".to_owned())
    }
}

type Ports = [(Direction, Vec<std::net::TcpListener>); 2];

/// Connections of a worker stay on its thread: what they share needs no lock.
fn run(ports: Ports, shared: Shared) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(runtime::LocalOptions::default())?;
    runtime.block_on(serve(ports, shared))
}

async fn serve(ports: Ports, shared: Shared) -> io::Result<()> {
    let tables = Current::new(&shared.tables);
    let worker = Rc::new(Worker::new(
        tables.clone(),
        shared.records.recorder(),
        shared.drain.child_token(),
        shared.accepts_http10,
    ));
    spawn_local(tables.follow(shared.tables.clone()));
    let sweeper = Rc::clone(&worker);
    spawn_local(async move { sweeper.sweep().await });
    let port = PortMetrics::default();
    let mut tasks = JoinSet::new();
    for (direction, listeners) in ports {
        for listener in listeners {
            let listener = Listener::new(TcpListener::from_std(listener)?);
            let accept = accept(
                listener,
                direction,
                shared.clone(),
                Rc::clone(&worker),
                port.clone(),
            );
            tasks.spawn_local(accept);
        }
    }
    // They accept for as long as the process runs.
    tasks.join_next().await;
    Ok(())
}

async fn accept(
    mut listener: Listener,
    direction: Direction,
    shared: Shared,
    worker: Rc<Worker>,
    port: PortMetrics,
) {
    loop {
        let (stream, peer) = listener.accept(&port).await;
        let Some((open, evicted)) = shared.traffic.enter(peer.ip()) else {
            shared.metrics.refused(direction);
            continue;
        };
        let (worker, metrics) = (Rc::clone(&worker), Arc::clone(&shared.metrics));
        let counted = Arc::clone(&metrics);
        spawn_local(async move {
            tokio::select! {
                () = connection::carry(stream, peer, direction, &open, (worker, metrics)) => {}
                () = evicted => {
                    counted.evicted();
                    tracing::debug!(%peer, "a connection made room for one of another address");
                }
            }
        });
    }
}
