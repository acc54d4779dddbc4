//! A span, whatever store it comes from.

use std::collections::BTreeSet;

/// What is shown of a span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub trace: String,
    pub id: String,
    /// The span that it is part of, which may be in no store.
    pub parent: Option<String>,
    pub service: String,
    pub name: String,
    /// `client` or `server`; empty if the store does not know.
    pub kind: String,
    /// In microseconds since 1970.
    pub start: u64,
    /// In microseconds.
    pub duration: u64,
    pub status: Option<String>,
    pub is_error: bool,
}

/// The spans of one trace, in no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub id: String,
    pub spans: Vec<Span>,
}

impl Trace {
    /// The trace that spans make; `None` without any.
    pub fn of(spans: Vec<Span>) -> Option<Self> {
        let id = spans.first()?.trace.clone();
        Some(Self { id, spans })
    }

    /// When its first span began.
    pub fn start(&self) -> u64 {
        let starts = self.spans.iter().map(|span| span.start);
        starts.min().unwrap_or_default()
    }

    /// From its first span's beginning to its last one's end, in microseconds.
    pub fn duration(&self) -> u64 {
        let ends = self
            .spans
            .iter()
            .map(|span| span.start.saturating_add(span.duration));
        ends.max().unwrap_or_default().saturating_sub(self.start())
    }

    /// The services that are in it.
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans.iter().map(|span| &*span.service).collect()
    }
}
