//! The spans of traces, on their way to collectors.

mod span;

pub(crate) use self::span::{MAX_TAGS, Span, SpanId, SpanKind, Tag, TagValue, TraceId};
