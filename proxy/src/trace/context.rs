//! The place of a request in a trace.

use crate::records::{SpanId, TraceId};

/// What has been decided before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// The span of whoever has sent the request; `None` if its trace begins here.
    pub parent: Option<Parent>,
    /// Whether the trace's spans are wanted; `None` if nobody has decided it.
    pub is_sampled: Option<bool>,
}

/// A span of another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub trace: TraceId,
    pub span: SpanId,
    /// The sender says that the trace's number is random (W3C Trace Context 2).
    pub is_random: bool,
}

/// The span that a request is part of from here on, whether it is wanted or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub trace: TraceId,
    pub span: SpanId,
    pub parent: Option<SpanId>,
    pub is_sampled: bool,
    pub(super) is_random: bool,
}

impl Outgoing {
    /// A span in the trace that the request came with, or else in one that begins here.
    /// `is_sampled` is what is decided here, unless it has been decided before; `trace` and
    /// `span` are random numbers.
    pub fn new(incoming: &Incoming, is_sampled: bool, (trace, span): (TraceId, SpanId)) -> Self {
        let (trace, parent, is_random) = match incoming.parent {
            Some(parent) => (parent.trace, Some(parent.span), parent.is_random),
            None => (trace, None, false),
        };
        Self {
            trace,
            span,
            parent,
            is_sampled: incoming.is_sampled.unwrap_or(is_sampled),
            is_random,
        }
    }
}
