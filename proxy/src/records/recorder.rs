//! What a worker writes its requests and connections with.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    access_log::{Entry, WorkerLog},
    chains::Chains,
    connection::{ConnectionCells, LiveConnection},
    facts::{ConnectionFacts, RequestRecord},
    flags::ResponseFlags,
    labels::{self, Destination},
    refusals::{Refusals, Refused},
    registry::{Caps, Origin, Registry, Slot},
    request_series::{RequestSeries, SharedSeries},
    trace::{Span, Spans, WorkerSpans},
    workload::Workload,
};
use crate::{tables::Collector, traffic::Direction};

/// A series of connections takes 4 KB of a scrape.
const CONNECTION_CAPS: Caps = Caps {
    all: 1000,
    clients: 0,
};

/// What all workers count in.
#[derive(Debug)]
pub(super) struct Shared {
    pub workload: Workload,
    pub requests: SharedSeries,
    pub connections: Registry<ConnectionCells>,
    /// Connections that have been counted in the series of those that have no place.
    pub connection_overflows: AtomicU64,
    pub refusals: Refusals,
}

impl Shared {
    /// Nothing has been counted.
    pub fn new(workload: Workload) -> Self {
        Self {
            workload,
            requests: SharedSeries::default(),
            connections: Registry::new(CONNECTION_CAPS),
            connection_overflows: AtomicU64::default(),
            refusals: Refusals::default(),
        }
    }
}

/// A worker's recorder. Two workers never share one, so nobody waits for it.
#[derive(Debug)]
pub(crate) struct Recorder {
    worker: usize,
    shared: Arc<Shared>,
    requests: Mutex<RequestSeries>,
    spans: Mutex<WorkerSpans>,
    /// Shared by all workers.
    pub chains: Arc<Chains>,
    log: Option<Arc<WorkerLog>>,
}

impl Recorder {
    pub(super) fn new(
        worker: usize,
        shared: &Arc<Shared>,
        (spans, chains): (&Arc<Spans>, &Arc<Chains>),
        log: Option<WorkerLog>,
    ) -> Self {
        Self {
            worker,
            shared: Arc::clone(shared),
            requests: Mutex::new(RequestSeries::new(worker)),
            spans: Mutex::new(WorkerSpans::new(spans)),
            chains: Arc::clone(chains),
            log: log.map(Arc::new),
        }
    }

    /// Counts a finished request and logs it.
    pub fn request(&self, request: &RequestRecord<'_>) {
        let shared = &self.shared;
        let mut series = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        series.record(&shared.requests, &shared.workload, request);
        drop(series);
        if let Some(log) = &self.log {
            log.write(&Entry::from(request));
        }
    }

    /// Counts a message of HTTP/1 that is refused, for one of a few reasons.
    pub fn refused(&self, direction: Direction, refused: Refused, reason: &'static str) {
        self.shared.refusals.add(direction, refused, reason);
    }

    /// Records a finished span for a collector.
    pub fn span(&self, collector: &Arc<Collector>, span: &Span<'_>) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.record(collector, span);
    }

    /// Counts a connection, which is logged when it ends.
    pub fn connection(&self, facts: ConnectionFacts) -> LiveConnection {
        LiveConnection::new(self.slot(&facts), facts, self.log.clone())
    }

    fn slot(&self, facts: &ConnectionFacts) -> Arc<Slot<ConnectionCells>> {
        let to = match &facts.service {
            Some(service) => Destination::Service(service),
            None => Destination::new(facts.direction, "", &facts.cluster, &[]),
        };
        let enter = |flags, to, (origin, parties)| {
            let own = &self.shared.workload;
            let labels = labels::of_connection(own, facts.direction, flags, to, parties);
            self.shared.connections.enter(self.worker, &labels, origin)
        };
        let own = enter(facts.flags, to, (to.origin(), facts.parties.as_deref()));
        own.unwrap_or_else(|| {
            self.shared.connection_overflows.fetch_add(1, Relaxed);
            let flags = ResponseFlags::NONE;
            // The overflow has always room.
            enter(flags, Destination::Overflow, (Origin::Overflow, None)).unwrap_or_default()
        })
    }
}
