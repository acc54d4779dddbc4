//! What became of spans.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::records::open_metrics::write_head;

/// What became of the spans of one kind of collector.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
    reports: AtomicU64,
    failures: AtomicU64,
}

/// The same at some time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Spans that collectors have taken.
    pub sent: u64,
    /// Spans that nobody gets.
    pub dropped: u64,
    /// Requests to collectors that were answered with success.
    pub reports: u64,
    /// Those that were not.
    pub failures: u64,
}

impl Counters {
    /// A collector took a report, but for those spans that it rejected.
    pub fn reported(&self, spans: u64, rejected: u64) {
        let rejected = rejected.min(spans);
        self.sent.fetch_add(spans - rejected, Relaxed);
        self.dropped.fetch_add(rejected, Relaxed);
        self.reports.fetch_add(1, Relaxed);
    }

    /// A collector did not take a report.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Nobody gets those spans.
    pub fn dropped(&self, spans: u64) {
        self.dropped.fetch_add(spans, Relaxed);
    }

    /// What has been counted.
    pub fn get(&self) -> Counted {
        Counted {
            sent: self.sent.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            reports: self.reports.load(Relaxed),
            failures: self.failures.load(Relaxed),
        }
    }
}

/// Appends the metrics, by the collectors' kinds.
pub(super) fn write(kinds: &[(&str, Counted)], text: &mut String) {
    type Cell = fn(&Counted) -> u64;
    let families: [(&str, &str, Cell); 4] = [
        (
            "pillion_tracing_spans_sent",
            "Spans that collectors have taken",
            |counted| counted.sent,
        ),
        (
            "pillion_tracing_spans_dropped",
            "Spans that were dropped, because their collector was away for long, was too slow or refused them; the log says why",
            |counted| counted.dropped,
        ),
        (
            "pillion_tracing_reports_sent",
            "Requests with spans that collectors have taken",
            |counted| counted.reports,
        ),
        (
            "pillion_tracing_reports_failed",
            "Requests with spans that did not reach a collector or that it refused, each time they were sent",
            |counted| counted.failures,
        ),
    ];
    for (name, help, cell) in families {
        write_head(name, help, "counter", text);
        for (kind, counted) in kinds {
            let value = cell(counted);
            // A String takes every write.
            let _ = writeln!(text, "{name}_total{{provider=\"{kind}\"}} {value}");
        }
    }
}
