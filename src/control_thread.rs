//! The thread for the status port and signals, and how a role begins to end.
//!
//! A kubelet restarts a pod that does not respond to its probes, and SIGTERM must be
//! handled, even if the other threads are all busy.

use std::{io, sync::Arc, thread, time::Duration};

use pillion_serve::{Readiness, serve_status};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// Becomes unready, but continues to serve for a while: the replica must be removed from its
/// Service's endpoints before its ports are closed, or callers would still come to it.
pub(crate) async fn drain(readiness: &Readiness, delay: Duration) {
    readiness.drain();
    sleep(delay).await;
}

/// A handle to the thread.
#[derive(Debug)]
pub(crate) struct ControlThread {
    /// Cancelled by SIGTERM or SIGINT; the process is then no longer ready.
    pub stopping: CancellationToken,
    stop: CancellationToken,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl ControlThread {
    /// Starts the thread. Signals are handled from now on, because a pod may be deleted
    /// before it is ready. `/metrics` is what `exposition` returns, and `/readyz` what
    /// `readiness` says.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread, or the port can't be used.
    pub fn start(
        port: TcpListener,
        readiness: Arc<Readiness>,
        exposition: impl Fn() -> String + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (stopping, stop) = (CancellationToken::new(), CancellationToken::new());
        let (sender, ended) = oneshot::channel();
        let port = port.into_std()?;
        let task = run(port, readiness, exposition, stopping.clone(), stop.clone());
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                // The receiver may have been dropped.
                let _ = sender.send(runtime.block_on(task));
            })?;
        Ok(Self {
            stopping,
            stop,
            ended,
        })
    }

    /// Waits for the thread to end, which is unexpected unless [`Self::stop`] was called.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.ended)
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the control thread panicked")))
    }

    /// Closes the status port, and waits for the thread to end.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread failed.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stop.cancel();
        self.ended().await
    }
}

async fn run(
    port: std::net::TcpListener,
    readiness: Arc<Readiness>,
    exposition: impl Fn() -> String + Clone + Send + Sync + 'static,
    stopping: CancellationToken,
    stop: CancellationToken,
) -> io::Result<()> {
    let signals = Signals::listen()?;
    let port = TcpListener::from_std(port)?;
    let mut status = std::pin::pin!(serve_status(port, Arc::clone(&readiness), exposition, stop));
    tokio::select! {
        () = &mut status => return Ok(()),
        name = signals.received() => {
            tracing::info!(signal = name, "stopping");
            readiness.drain();
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
