//! What waits for one collector.
//!
//! A worker appends spans to a batch of its own, in the form that the collector reads. A full batch waits
//! in a bounded queue for the one who sends it, who also takes what is there every second. When too much
//! waits, the oldest batch is dropped and its spans are counted: no worker ever waits for a collector.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::{
    counters::Counters,
    otlp::{self, Otlp},
    span::Span,
    zipkin::{self, Zipkin},
};
use crate::{
    records::{seldom::Seldom, workload::Workload},
    tables::{Collector, SpanProtocol},
};

/// Bytes from which on a batch is full.
const BATCH: usize = 64 * 1024;
/// What a new batch has room for: the span that fills it seldom makes it grow.
const ROOM: usize = BATCH + BATCH / 8;
/// Bytes that the full batches that wait may take.
const MAX_WAITING: usize = 2 * 1024 * 1024;

/// Spans that wait for a collector.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub collector: Arc<Collector>,
    pub counters: Arc<Counters>,
    form: Form,
    workers: Mutex<Vec<Arc<Mutex<Batch>>>>,
    queue: Mutex<Queue>,
    is_full: Notify,
    overflow: Seldom,
    /// Since the last time that somebody asked.
    used: AtomicBool,
    born: Instant,
    /// When it was used last, in seconds of its life.
    used_at: AtomicU64,
    gone: AtomicBool,
}

/// Spans as a collector reads them.
#[derive(Debug)]
enum Form {
    Zipkin(Zipkin),
    Otlp(Otlp),
}

/// Spans, one after the other.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    spans: u64,
}

/// Full batches, the oldest first.
#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    /// What they take of memory, which may be twice what they hold.
    bytes: usize,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub body: Bytes,
    /// How many spans it has.
    pub spans: u64,
}

/// A worker's end.
#[derive(Debug)]
pub(super) struct Inlet {
    pub outlet: Arc<Outlet>,
    batch: Arc<Mutex<Batch>>,
}

impl Outlet {
    /// Nothing waits for that collector.
    pub(super) fn new(
        collector: Arc<Collector>,
        workload: &Workload,
        counters: Arc<Counters>,
    ) -> Self {
        let own_name = || workload.tracing_name();
        let name = collector.service_name.as_deref();
        let name = name.map_or_else(own_name, str::to_owned);
        let form = match collector.protocol {
            SpanProtocol::Zipkin => Form::Zipkin(Zipkin::new(&name, workload.address)),
            SpanProtocol::OtlpHttp | SpanProtocol::OtlpGrpc => Form::Otlp(Otlp::new(&name)),
        };
        Self {
            collector,
            counters,
            form,
            workers: Mutex::default(),
            queue: Mutex::default(),
            is_full: Notify::new(),
            overflow: Seldom::default(),
            used: AtomicBool::new(true),
            born: Instant::now(),
            used_at: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        }
    }

    /// An end for one more worker.
    pub(super) fn inlet(self: &Arc<Self>) -> Inlet {
        let batch = Arc::<Mutex<Batch>>::default();
        lock(&self.workers).push(Arc::clone(&batch));
        Inlet {
            outlet: Arc::clone(self),
            batch,
        }
    }

    /// Waits until a batch is full, unless one is.
    pub async fn filled(&self) {
        let has_none = lock(&self.queue).batches.is_empty();
        if has_none {
            self.is_full.notified().await;
        }
    }

    /// The oldest full batch, if there is one.
    pub fn take_full(&self) -> Option<Report> {
        let full = lock(&self.queue).pop();
        full.map(|batch| self.report(batch))
    }

    /// What the workers have in batches that are not full, if anything.
    pub fn take_rest(&self) -> Option<Report> {
        let mut all = Batch::default();
        for worker in &*lock(&self.workers) {
            let Batch { bytes, spans } = mem::take(&mut *lock(worker));
            all.spans += spans;
            match all.bytes.is_empty() {
                true => all.bytes = bytes,
                false => all.bytes.extend_from_slice(&bytes),
            }
        }
        (all.spans > 0).then(|| self.report(all))
    }

    fn report(&self, batch: Batch) -> Report {
        let Batch { bytes, spans } = batch;
        let body = match &self.form {
            Form::Zipkin(_) => zipkin::body(bytes),
            Form::Otlp(otlp) => otlp.body(&bytes),
        };
        Report { body, spans }
    }

    /// Whether it has been used since the last time that this was asked.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Relaxed)
    }

    /// How long it has not been used, in whole seconds.
    pub(super) fn idle(&self) -> Duration {
        let seconds = self.age().saturating_sub(self.used_at.load(Relaxed));
        Duration::from_secs(seconds)
    }

    fn age(&self) -> u64 {
        self.born.elapsed().as_secs()
    }

    /// Most often it is marked already: then there is nothing to write.
    fn mark_used(&self) {
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
        let now = self.age();
        if self.used_at.load(Relaxed) != now {
            self.used_at.store(now, Relaxed);
        }
    }

    /// Nobody will take anything any more.
    pub(super) fn forget(&self) {
        self.gone.store(true, Relaxed);
        self.is_full.notify_one();
    }

    /// Whether its collector has been forgotten.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    fn push(&self, full: Batch) {
        let lost = lock(&self.queue).push(full);
        if lost > 0 {
            self.counters.dropped(lost);
            if self.overflow.is_due() {
                tracing::warn!(
                    cluster = &*self.collector.cluster,
                    "spans are dropped, the oldest first, because more than 2 MiB wait for their collector; pillion_tracing_spans_dropped_total counts them. If it is not away, trace a smaller share of the requests or have it take more"
                );
            }
        }
        self.is_full.notify_one();
    }
}

impl Queue {
    /// Adds a batch. How many spans made room for it.
    fn push(&mut self, full: Batch) -> u64 {
        self.bytes += full.bytes.capacity();
        self.batches.push_back(full);
        let mut lost = 0;
        while self.bytes > MAX_WAITING
            && self.batches.len() > 1
            && let Some(oldest) = self.pop()
        {
            lost += oldest.spans;
        }
        lost
    }

    fn pop(&mut self) -> Option<Batch> {
        let oldest = self.batches.pop_front()?;
        self.bytes -= oldest.bytes.capacity();
        Some(oldest)
    }
}

impl Inlet {
    /// Appends a span.
    pub fn record(&self, span: &Span<'_>) {
        let outlet = &self.outlet;
        outlet.mark_used();
        let mut batch = lock(&self.batch);
        match &outlet.form {
            Form::Zipkin(zipkin) => zipkin.write(span, &mut batch.bytes),
            Form::Otlp(_) => otlp::write(span, &mut batch.bytes),
        }
        batch.spans += 1;
        if batch.bytes.len() < BATCH {
            return;
        }
        let room = Batch {
            bytes: Vec::with_capacity(ROOM),
            spans: 0,
        };
        let full = mem::replace(&mut *batch, room);
        drop(batch);
        outlet.push(full);
    }
}

/// Nothing under a lock panics halfway, so what is behind it is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::records::trace::{
        span::Tag,
        test_util::{collector, span},
    };

    fn outlet() -> Arc<Outlet> {
        let collector = Arc::new(collector(SpanProtocol::Zipkin));
        let outlet = Outlet::new(collector, &Workload::default(), Arc::default());
        Arc::new(outlet)
    }

    fn names(report: &Report) -> Vec<String> {
        let spans: Value = serde_json::from_slice(&report.body).unwrap();
        let spans = spans.as_array().unwrap().iter();
        spans
            .map(|span| span["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Fills a batch with spans of a name; says how many these were.
    fn fill(inlet: &Inlet, name: &str) -> u64 {
        let long = "x".repeat(1000);
        let tags = [Tag::text("long", &long); 60];
        let mut count = 0;
        while count == 0 || lock(&inlet.batch).spans > 0 {
            inlet.record(&Span {
                name,
                tags: &tags,
                ..span()
            });
            count += 1;
        }
        count
    }

    #[test]
    fn what_all_workers_have_is_one_report() {
        let outlet = outlet();
        let inlets = [outlet.inlet(), outlet.inlet()];
        assert!(outlet.take_rest().is_none());
        for (inlet, name) in inlets.iter().zip(["a", "b"]) {
            inlet.record(&Span { name, ..span() });
        }
        let report = outlet.take_rest().unwrap();
        assert_eq!(
            (report.spans, names(&report)),
            (2, vec!["a".into(), "b".into()])
        );
        assert!(outlet.take_rest().is_none());
    }

    #[tokio::test]
    async fn a_full_batch_is_told() {
        let outlet = outlet();
        let inlet = outlet.inlet();
        let count = fill(&inlet, "full");
        outlet.filled().await;
        inlet.record(&Span {
            name: "new",
            ..span()
        });
        let report = outlet.take_full().unwrap();
        assert_eq!(report.spans, count);
        assert!(report.body.len() >= BATCH);
        assert!(outlet.take_full().is_none());
        assert_eq!(names(&outlet.take_rest().unwrap()), ["new"]);
    }

    #[test]
    fn the_oldest_spans_are_dropped_and_counted_when_too_many_wait() {
        let outlet = outlet();
        let inlet = outlet.inlet();
        let lost = fill(&inlet, "old");
        while outlet.counters.get().dropped == 0 {
            fill(&inlet, "new");
        }
        assert_eq!(outlet.counters.get().dropped, lost);
        let queue = lock(&outlet.queue);
        let taken = queue.batches.iter().map(|batch| batch.bytes.capacity());
        assert_eq!(queue.bytes, taken.sum::<usize>());
        // The oldest batch has made more room than was needed.
        let (least, most) = (MAX_WAITING - 4 * BATCH, MAX_WAITING);
        assert!((least..=most).contains(&queue.bytes), "{}", queue.bytes);
        drop(queue);
        while let Some(report) = outlet.take_full() {
            assert_eq!(names(&report)[0], "new");
        }
        assert_eq!(lock(&outlet.queue).bytes, 0);
    }

    #[tokio::test]
    async fn who_has_not_taken_all_full_batches_does_not_wait() {
        let outlet = outlet();
        let inlet = outlet.inlet();
        fill(&inlet, "first");
        fill(&inlet, "second");
        outlet.filled().await;
        assert!(outlet.take_full().is_some());
        outlet.filled().await;
        assert!(outlet.take_full().is_some());
    }
}
