//! The threads that carry traffic.

use std::{io, sync::Arc, thread};

use pillion_serve::{Listener, PortMetrics};
use tokio::{net::TcpListener, runtime, sync::mpsc, task::JoinSet};

use super::{connection, port_numbers};
use crate::{
    metrics::Metrics,
    net::bind::bind,
    traffic::{Direction, Traffic},
};

/// The workers, for as long as the process runs.
#[derive(Debug)]
pub(super) struct Workers {
    ended: mpsc::Receiver<String>,
}

impl Workers {
    /// Starts them. All of them listen once this returns.
    ///
    /// # Errors
    ///
    /// When a port can't be used, or the system has no more threads.
    pub fn start(count: usize, traffic: &Arc<Traffic>, metrics: &Arc<Metrics>) -> io::Result<Self> {
        let (sender, ended) = mpsc::channel(count.max(1));
        for number in 0..count {
            let ports = [
                (Direction::Outbound, bind(port_numbers::OUTBOUND)?),
                (Direction::Inbound, bind(port_numbers::INBOUND)?),
            ];
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let shared = Shared {
                traffic: Arc::clone(traffic),
                metrics: Arc::clone(metrics),
                port: PortMetrics::default(),
            };
            let sender = sender.clone();
            thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    let ended = runtime.block_on(serve(ports, shared));
                    let text = match ended {
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

/// What a worker's connections share.
#[derive(Debug, Clone)]
struct Shared {
    traffic: Arc<Traffic>,
    metrics: Arc<Metrics>,
    port: PortMetrics,
}

async fn serve(
    ports: [(Direction, Vec<std::net::TcpListener>); 2],
    shared: Shared,
) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    for (direction, listeners) in ports {
        for listener in listeners {
            let listener = Listener::new(TcpListener::from_std(listener)?);
            tasks.spawn(accept(listener, direction, shared.clone()));
        }
    }
    // They accept for as long as the process runs.
    tasks.join_next().await;
    Ok(())
}

async fn accept(mut listener: Listener, direction: Direction, shared: Shared) {
    loop {
        let (stream, peer) = listener.accept(&shared.port).await;
        let Some(open) = shared.traffic.enter() else {
            shared.metrics.refused(direction);
            continue;
        };
        let metrics = Arc::clone(&shared.metrics);
        tokio::spawn(async move {
            connection::carry(stream, peer, direction, &metrics).await;
            drop(open);
        });
    }
}
