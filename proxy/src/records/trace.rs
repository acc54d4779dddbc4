//! The spans of traces, until they are sent to collectors.
//!
//! A worker writes a finished span at once in the form that its collector reads, and a task of the process
//! takes what has been written ([`Outlet`]).

mod counters;
mod otlp;
mod outlet;
mod span;
mod spans;
#[cfg(test)]
pub(crate) mod test_util;
#[cfg(test)]
mod tests;
mod zipkin;

pub(super) use self::spans::WorkerSpans;
pub(crate) use self::{
    outlet::{Outlet, Report},
    span::{Span, SpanId, SpanKind, Tag, TraceId},
    spans::Spans,
};
