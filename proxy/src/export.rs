//! The way of spans to their collectors.
//!
//! For each collector, one task ([`courier`]) takes what workers have recorded and sends it, a report at a
//! time, to an endpoint of the collector's cluster. While the collector is away, the newest spans wait and
//! older ones are dropped; no request waits, and none is traced because of it: reports don't go through
//! the pipeline, and tell the collector's own proxy not to trace them. Where the cluster's endpoints take mutual
//! TLS, they get nothing before they have proved who they are.

mod answer;
mod connection;
mod courier;
mod failure;
mod grpc;
#[cfg(feature = "test-util")]
mod played;
mod request;
mod retry_info;
#[cfg(test)]
mod tests;
mod trouble;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::courier::Courier;
#[cfg(feature = "test-util")]
pub use self::played::{AnsweredLine, CollectorAnswer, NotTaken, read_answer};
use crate::{records::Spans, tables::Snapshot, transport::ClientTransport};

/// How long the process waits for its last spans.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// Sends spans until it is told to finish.
#[derive(Debug)]
pub(crate) struct Exporter {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Exporter {
    /// Starts it in the current runtime.
    pub fn start(
        spans: Arc<Spans>,
        tables: watch::Receiver<Arc<Snapshot>>,
        transport: ClientTransport,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(spans, tables, transport, stop.clone()));
        Self { task, stop }
    }

    /// Sends what is left, for two seconds at most. Nothing should be recorded any more.
    pub async fn finish(mut self) {
        self.stop.cancel();
        if timeout(LAST_REPORTS, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!(
                "the last spans are missing: their collector has not taken them within {LAST_REPORTS:?}"
            );
        }
    }
}

async fn run(
    spans: Arc<Spans>,
    tables: watch::Receiver<Arc<Snapshot>>,
    transport: ClientTransport,
    stop: CancellationToken,
) {
    let mut couriers = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            outlet = spans.next() => {
                let courier = Courier::new(outlet, tables.clone(), transport.clone());
                couriers.spawn(courier.run(stop.clone()));
            }
            // Its collector has been forgotten.
            Some(_) = couriers.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    couriers.join_all().await;
}
