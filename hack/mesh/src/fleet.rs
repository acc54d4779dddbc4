//! All simulated proxies, and what they have in common.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use memchr::memmem;
use pillion_xds::client::Update;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

/// After so long without a byte, nothing is under way.
const QUIET: Duration = Duration::from_millis(300);

/// What a proxy has to tell once.
#[derive(Debug)]
pub(crate) enum Word {
    /// It has everything.
    Complete,
    /// Its stream has ended.
    Failed(String),
}

/// What proxies look for: a resource that contains something which no earlier one had.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The resource's type.
    pub type_url: &'static str,
    /// The resource's name.
    pub name: String,
    /// What is in its bytes.
    pub marker: String,
    /// Takes the number of each proxy that has found it, and when.
    pub found: mpsc::UnboundedSender<(usize, Instant)>,
}

/// What has come to all proxies together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Of resources: their names, versions, types and bodies.
    pub bytes: u64,
    /// Resources, those that were removed included.
    pub resources: u64,
}

/// The proxies.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Services in the mesh.
    pub services: usize,
    bytes: AtomicU64,
    resources: AtomicU64,
    expected: Mutex<Option<Arc<Expected>>>,
    words: mpsc::UnboundedSender<Word>,
}

impl Fleet {
    /// Proxies of a mesh with this many Services; what they have to say comes by the receiver.
    pub fn new(services: usize) -> (Self, mpsc::UnboundedReceiver<Word>) {
        let (words, receiver) = mpsc::unbounded_channel();
        let fleet = Self {
            services,
            bytes: AtomicU64::new(0),
            resources: AtomicU64::new(0),
            expected: Mutex::new(None),
            words,
        };
        (fleet, receiver)
    }

    /// Records what a proxy has to tell.
    pub fn say(&self, word: Word) {
        // Nobody listens any more at the end.
        let _ = self.words.send(word);
    }

    /// Counts what has come to a proxy.
    pub fn count(&self, update: &Update) {
        let bytes = |one: &pillion_xds::Resource| {
            one.name.len() + one.version.len() + one.body.type_url.len() + one.body.value.len()
        };
        let changed: usize = update.changed.iter().map(bytes).sum();
        let removed: usize = update.removed.iter().map(|name| name.len()).sum();
        let resources = update.changed.len() + update.removed.len();
        self.bytes
            .fetch_add((changed + removed) as u64, Ordering::Relaxed);
        self.resources
            .fetch_add(resources as u64, Ordering::Relaxed);
    }

    /// What has come to all proxies by now.
    pub fn totals(&self) -> Totals {
        Totals {
            bytes: self.bytes.load(Ordering::Relaxed),
            resources: self.resources.load(Ordering::Relaxed),
        }
    }

    /// Says what all proxies look for from now on.
    pub fn expect(&self, expected: Option<Expected>) {
        *self.lock() = expected.map(Arc::new);
    }

    /// Whether that is in what has come to a proxy.
    pub fn look(&self, number: usize, update: &Update) {
        let now = Instant::now();
        let expected = self.lock().clone();
        let Some(expected) = expected.filter(|one| one.type_url == update.type_url) else {
            return;
        };
        let is_it = |one: &pillion_xds::Resource| {
            *one.name == *expected.name
                && memmem::find(&one.body.value, expected.marker.as_bytes()).is_some()
        };
        if update.changed.iter().any(is_it) {
            // Who expects it may have given up.
            let _ = expected.found.send((number, now));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Expected>>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing comes to any proxy any more.
    pub async fn quiet(&self) {
        let mut before = self.totals();
        loop {
            sleep(QUIET).await;
            let now = self.totals();
            if now == before {
                return;
            }
            before = now;
        }
    }
}
