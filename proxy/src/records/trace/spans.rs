//! The spans of the process, by their collectors.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    counters::{self, Counters},
    outlet::{Inlet, Outlet},
    span::Span,
};
use crate::{
    records::seldom::Seldom,
    records::workload::Workload,
    tables::{Collector, SpanProtocol},
};

/// Collectors at a time. A mesh has one or two; each may hold 2 MiB of spans.
const MAX_COLLECTORS: usize = 8;
/// A collector that was used later is not forgotten for another one: of nine that get spans by turns, each
/// would be connected to for a single span.
const LONG_AGO: Duration = Duration::from_secs(60);

/// The spans of all workers.
#[derive(Debug)]
pub(crate) struct Spans {
    workload: Workload,
    outlets: Mutex<Outlets>,
    /// Tells that there is another one.
    is_new: Notify,
    too_many: Seldom,
    zipkin: Arc<Counters>,
    opentelemetry: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Outlets {
    known: Vec<Arc<Outlet>>,
    /// Those of them that nobody sends from yet.
    new: Vec<Arc<Outlet>>,
}

impl Spans {
    /// Those of that workload.
    pub fn new(workload: Workload) -> Self {
        Self {
            workload,
            outlets: Mutex::default(),
            is_new: Notify::new(),
            too_many: Seldom::default(),
            zipkin: Arc::default(),
            opentelemetry: Arc::default(),
        }
    }

    /// What waits for a collector that was not there before, once there is one. One task asks.
    pub async fn next(&self) -> Arc<Outlet> {
        loop {
            if let Some(new) = self.lock().new.pop() {
                return new;
            }
            self.is_new.notified().await;
        }
    }

    /// Forgets collectors that have got nothing since the last time.
    pub fn sweep(&self) {
        self.lock().known.retain(|outlet| {
            let was_used = outlet.was_used();
            if !was_used {
                outlet.forget();
            }
            was_used
        });
    }

    /// Appends the metrics.
    pub fn encode(&self, text: &mut String) {
        let kinds = [SpanProtocol::Zipkin, SpanProtocol::OtlpGrpc];
        let kinds = kinds.map(|protocol| (protocol.as_str(), self.counters(protocol).get()));
        counters::write(&kinds, text);
    }

    /// Spans that were dropped.
    #[cfg(test)]
    pub fn dropped(&self) -> u64 {
        self.zipkin.get().dropped + self.opentelemetry.get().dropped
    }

    /// What waits for a collector; `None` if there are too many that are in use.
    fn outlet(&self, collector: &Arc<Collector>) -> Option<Arc<Outlet>> {
        let mut outlets = self.lock();
        if let Some(known) = outlets.known.iter().find(|it| it.collector == *collector) {
            return Some(Arc::clone(known));
        }
        if outlets.known.len() >= MAX_COLLECTORS && !outlets.forget_oldest() {
            drop(outlets);
            self.tell_too_many(&collector.cluster);
            return None;
        }
        let counters = Arc::clone(self.counters(collector.protocol));
        let outlet = Outlet::new(Arc::clone(collector), &self.workload, counters);
        let outlet = Arc::new(outlet);
        outlets.known.push(Arc::clone(&outlet));
        outlets.new.push(Arc::clone(&outlet));
        self.is_new.notify_one();
        Some(outlet)
    }

    fn tell_too_many(&self, cluster: &str) {
        if self.too_many.is_due() {
            tracing::warn!(
                cluster,
                "spans are dropped, because {MAX_COLLECTORS} other collectors have got some within a minute and there may be no more; pillion_tracing_spans_dropped_total counts them. Have Telemetries and proxy.istio.io/config name fewer providers"
            );
        }
    }

    fn counters(&self, protocol: SpanProtocol) -> &Arc<Counters> {
        match protocol {
            SpanProtocol::Zipkin => &self.zipkin,
            SpanProtocol::OtlpHttp | SpanProtocol::OtlpGrpc => &self.opentelemetry,
        }
    }

    /// Nothing under the lock panics halfway, so what is behind it is whole.
    fn lock(&self) -> MutexGuard<'_, Outlets> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlets {
    /// Makes room for another one: forgets the one that was used longest ago, if that is long ago.
    fn forget_oldest(&mut self) -> bool {
        let idle = self.known.iter().map(|outlet| outlet.idle()).enumerate();
        match idle.max_by_key(|(_, idle)| *idle) {
            Some((at, idle)) if idle >= LONG_AGO => {
                self.known.remove(at).forget();
                true
            }
            _ => false,
        }
    }
}

/// What a worker writes its spans with.
#[derive(Debug)]
pub(in crate::records) struct WorkerSpans {
    spans: Arc<Spans>,
    inlets: Vec<Inlet>,
}

impl WorkerSpans {
    /// A worker's end.
    pub fn new(spans: &Arc<Spans>) -> Self {
        Self {
            spans: Arc::clone(spans),
            inlets: Vec::new(),
        }
    }

    /// Records a span for a collector. It is dropped where there are too many of these.
    pub fn record(&mut self, collector: &Arc<Collector>, span: &Span<'_>) {
        if let Some(inlet) = self.inlet(collector) {
            inlet.record(span);
        } else {
            self.spans.counters(collector.protocol).dropped(1);
        }
    }

    fn inlet(&mut self, collector: &Arc<Collector>) -> Option<&Inlet> {
        let is_it = |inlet: &Inlet| {
            let known = &inlet.outlet.collector;
            !inlet.outlet.is_gone() && (Arc::ptr_eq(known, collector) || *known == *collector)
        };
        let at = match self.inlets.iter().position(is_it) {
            Some(at) => at,
            None => {
                let outlet = self.spans.outlet(collector)?;
                self.inlets.retain(|inlet| !inlet.outlet.is_gone());
                self.inlets.push(outlet.inlet());
                self.inlets.len() - 1
            }
        };
        self.inlets.get(at)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::records::trace::test_util::{collector, span};

    fn spans() -> Arc<Spans> {
        Arc::new(Spans::new(Workload::default()))
    }

    fn named(cluster: &str) -> Arc<Collector> {
        Arc::new(Collector {
            cluster: Arc::from(cluster),
            ..collector(SpanProtocol::Zipkin)
        })
    }

    #[tokio::test]
    async fn collectors_that_are_equal_get_their_spans_together() {
        let spans = spans();
        let mut workers = [WorkerSpans::new(&spans), WorkerSpans::new(&spans)];
        for worker in &mut workers {
            for _ in 0..2 {
                worker.record(&named("a"), &span());
            }
        }
        workers[0].record(&named("b"), &span());
        let mut waiting = [spans.next().await, spans.next().await];
        waiting.sort_by(|one, other| one.collector.cluster.cmp(&other.collector.cluster));
        let counts = waiting.map(|outlet| outlet.take_rest().unwrap().spans);
        assert_eq!(counts, [4, 1]);
        assert!(spans.lock().new.is_empty());
    }

    #[tokio::test]
    async fn a_collector_that_gets_nothing_is_forgotten_and_may_come_back() {
        let spans = spans();
        let mut worker = WorkerSpans::new(&spans);
        worker.record(&named("a"), &span());
        let first = spans.next().await;
        spans.sweep();
        assert!(!first.is_gone());
        spans.sweep();
        assert!(first.is_gone());
        worker.record(&named("a"), &span());
        let second = spans.next().await;
        assert_eq!(second.take_rest().unwrap().spans, 1);
        assert_eq!(worker.inlets.len(), 1);
    }

    #[test]
    fn spans_for_too_many_collectors_are_dropped_and_counted() {
        let spans = spans();
        let mut worker = WorkerSpans::new(&spans);
        for number in 0..=MAX_COLLECTORS {
            worker.record(&named(&number.to_string()), &span());
        }
        assert_eq!(spans.lock().known.len(), MAX_COLLECTORS);
        assert_eq!(spans.dropped(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_collector_has_the_place_of_the_one_that_was_used_longest_ago() {
        let spans = spans();
        let mut worker = WorkerSpans::new(&spans);
        let names: Vec<_> = (0..MAX_COLLECTORS).map(|it| it.to_string()).collect();
        for name in &names {
            worker.record(&named(name), &span());
        }
        advance(LONG_AGO / 2).await;
        for name in names.iter().filter(|name| *name != "3") {
            worker.record(&named(name), &span());
        }
        advance(LONG_AGO / 2).await;
        worker.record(&named("new"), &span());
        let is_known = |name: &str| {
            let outlets = spans.lock();
            let mut known = outlets.known.iter();
            known.any(|outlet| &*outlet.collector.cluster == name)
        };
        assert!(is_known("new") && is_known("0") && !is_known("3"));
        assert_eq!(spans.lock().known.len(), MAX_COLLECTORS);
        // The others are in use.
        worker.record(&named("3"), &span());
        assert!(!is_known("3"));
        assert_eq!(spans.dropped(), 1);
    }

    #[test]
    fn metrics_tell_the_kinds_of_collectors_apart() {
        let spans = spans();
        spans.opentelemetry.reported(5, 2);
        spans.zipkin.failed();
        spans.zipkin.dropped(7);
        let mut text = String::new();
        spans.encode(&mut text);
        for line in [
            "pillion_tracing_spans_sent_total{provider=\"opentelemetry\"} 3",
            "pillion_tracing_spans_dropped_total{provider=\"opentelemetry\"} 2",
            "pillion_tracing_reports_sent_total{provider=\"opentelemetry\"} 1",
            "pillion_tracing_reports_failed_total{provider=\"zipkin\"} 1",
            "pillion_tracing_spans_dropped_total{provider=\"zipkin\"} 7",
            "pillion_tracing_spans_sent_total{provider=\"zipkin\"} 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{text}");
        }
    }
}
