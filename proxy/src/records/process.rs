//! The records of the whole process.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{
    access_log::{AccessLog, AccessLogConfig},
    chains::Chains,
    connection::ConnectionCells,
    exposition,
    open_metrics::write_total,
    recorder::{Recorder, Shared},
    trace::Spans,
    workload::Workload,
};

/// What all workers leave. There is one in a process.
#[derive(Debug)]
pub(crate) struct Records {
    shared: Arc<Shared>,
    spans: Arc<Spans>,
    chains: Arc<Chains>,
    log: Option<AccessLog>,
    workers: AtomicUsize,
}

impl Records {
    /// How often [`Records::sweep`] is to be called: a series that has not been used for an
    /// hour is forgotten, and a collector that has not been used since the last time.
    pub const SWEEP_INTERVAL: std::time::Duration = std::time::Duration::from_secs(600);

    /// Nothing has been recorded. A log that can't be written is reported, and stays off.
    pub fn new(workload: Workload, log: Option<AccessLogConfig>) -> Self {
        let log = log.and_then(|config| {
            let opened = AccessLog::open(config);
            if let Err(error) = &opened {
                tracing::error!("the access log is off: {error}");
            }
            opened.ok()
        });
        Self {
            spans: Arc::new(Spans::new(workload.clone())),
            chains: Arc::default(),
            shared: Arc::new(Shared::new(workload)),
            log,
            workers: AtomicUsize::default(),
        }
    }

    /// A recorder for one more worker.
    pub fn recorder(&self) -> Recorder {
        let worker = self.workers.fetch_add(1, Relaxed);
        let log = self.log.as_ref().map(AccessLog::worker);
        let traces = (&self.spans, &self.chains);
        Recorder::new(worker, &self.shared, traces, log)
    }

    /// Whether the application passes traces on.
    pub fn chains(&self) -> Arc<Chains> {
        Arc::clone(&self.chains)
    }

    /// The spans of all workers, for who sends them.
    pub fn spans(&self) -> Arc<Spans> {
        Arc::clone(&self.spans)
    }

    /// Appends the metrics as OpenMetrics, without its end.
    pub fn encode(&self, text: &mut String) {
        exposition::write(&self.shared, text);
        let dropped = self.dropped_lines();
        write_total(
            "pillion_access_log_dropped_lines",
            "Lines of the access log that were dropped because they could not be written in time",
            dropped,
            text,
        );
        self.spans.encode(text);
    }

    /// Lines of the access log that were dropped.
    pub fn dropped_lines(&self) -> u64 {
        self.log.as_ref().map_or(0, AccessLog::dropped_lines)
    }

    /// Forgets series and collectors that nobody has used for long.
    pub fn sweep(&self) {
        self.spans.sweep();
        self.shared.requests.registry.sweep(|_| false);
        self.shared.connections.sweep(ConnectionCells::is_in_use);
    }

    /// Writes what the access log still holds, and waits for it, but not for long.
    pub fn flush(&self) {
        if let Some(log) = &self.log {
            log.flush();
        }
    }
}
