//! A TCP connection, which is counted while it lives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{
    access_log::{Entry, WorkerLog},
    facts::ConnectionFacts,
    flags::ResponseFlags,
    registry::Slot,
};

/// What a worker counts in a series of connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionCells {
    pub opened: AtomicU64,
    pub closed: AtomicU64,
    /// Bytes to clients.
    pub sent: AtomicU64,
    /// Bytes from clients.
    pub received: AtomicU64,
}

impl ConnectionCells {
    /// Whether one of its connections lives.
    pub fn is_in_use(&self) -> bool {
        self.opened.load(Relaxed) != self.closed.load(Relaxed)
    }
}

/// A connection from its beginning to its end, which is where it is dropped.
#[derive(Debug)]
pub(crate) struct LiveConnection {
    slot: Arc<Slot<ConnectionCells>>,
    log: Option<Arc<WorkerLog>>,
    facts: ConnectionFacts,
    opened: Instant,
    sent: AtomicU64,
    received: AtomicU64,
}

impl LiveConnection {
    pub(super) fn new(
        slot: Arc<Slot<ConnectionCells>>,
        facts: ConnectionFacts,
        log: Option<Arc<WorkerLog>>,
    ) -> Self {
        slot.touch();
        slot.cells.opened.fetch_add(1, Relaxed);
        Self {
            slot,
            log,
            facts,
            opened: Instant::now(),
            sent: AtomicU64::default(),
            received: AtomicU64::default(),
        }
    }

    /// Counts bytes that were sent to the client.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
        self.slot.cells.sent.fetch_add(bytes, Relaxed);
        self.slot.touch();
    }

    /// Counts bytes that came from the client.
    pub fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
        self.slot.cells.received.fetch_add(bytes, Relaxed);
        self.slot.touch();
    }

    /// Ends it. The access log has these flags and those of the beginning.
    pub fn closed(mut self, flags: ResponseFlags) {
        self.facts.flags = self.facts.flags.union(flags);
    }

    /// The same for a connection that the proxy has ended, for that reason.
    pub fn cut(mut self, flags: ResponseFlags, details: &'static str) {
        self.facts.details = details;
        self.closed(flags);
    }
}

impl Drop for LiveConnection {
    fn drop(&mut self) {
        self.slot.touch();
        self.slot.cells.closed.fetch_add(1, Relaxed);
        if let Some(log) = &self.log {
            let bytes = (self.received.load(Relaxed), self.sent.load(Relaxed));
            log.write(&Entry::of_connection(
                &self.facts,
                self.opened.elapsed(),
                bytes,
            ));
        }
    }
}
