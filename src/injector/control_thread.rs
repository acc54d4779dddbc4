//! The thread of the status port and of the signals.
//!
//! A kubelet restarts a pod that does not answer, and SIGTERM has to be heeded,
//! whatever the webhook's threads are busy with.

use std::{io, sync::Arc, thread};

use pillion_serve::serve_status;
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use super::shared::Shared;

/// The thread, and what it tells.
#[derive(Debug)]
pub(super) struct ControlThread {
    /// SIGTERM or SIGINT has come; the process is not ready any more.
    pub stopping: CancellationToken,
    stop: CancellationToken,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl ControlThread {
    /// Starts it: signals are heeded from now on, for a pod may be deleted before it
    /// is ready.
    ///
    /// # Errors
    ///
    /// When the system has no more threads, or the port can't be used.
    pub fn start(port: TcpListener, shared: &Shared) -> io::Result<Self> {
        let (stopping, stop) = (CancellationToken::new(), CancellationToken::new());
        let (sender, ended) = oneshot::channel();
        let port = port.into_std()?;
        let task = run(port, shared.clone(), stopping.clone(), stop.clone());
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                // Nobody may wait for its end any more.
                let _ = sender.send(runtime.block_on(task));
            })?;
        Ok(Self {
            stopping,
            stop,
            ended,
        })
    }

    /// Waits for its end, which is a fault unless [`Self::stop`] asked for it.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.ended)
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the control thread panicked")))
    }

    /// Closes the status port.
    ///
    /// # Errors
    ///
    /// When the thread has failed.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stop.cancel();
        self.ended().await
    }
}

async fn run(
    port: std::net::TcpListener,
    shared: Shared,
    stopping: CancellationToken,
    stop: CancellationToken,
) -> io::Result<()> {
    let signals = Signals::listen()?;
    let port = TcpListener::from_std(port)?;
    let (readiness, metrics) = (Arc::clone(&shared.readiness), shared.metrics);
    let exposition = move || metrics.encode();
    let mut status = std::pin::pin!(serve_status(port, readiness, exposition, stop));
    tokio::select! {
        () = &mut status => return Ok(()),
        name = signals.received() => {
            tracing::info!(signal = name, "stopping");
            shared.readiness.drain();
            stopping.cancel();
        }
    }
    status.await;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
