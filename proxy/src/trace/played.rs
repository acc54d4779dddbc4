//! Reads and writes a request's tracing fields as the proxy does, for a fuzz target.

use super::{
    context::Outgoing,
    decision::decide,
    fields::TraceFields,
    incoming::incoming,
    outgoing::{Came, write},
};
use crate::{
    message::{FieldName, Fields},
    records::{SpanId, TraceId},
    tables::{Propagation, Sampling},
};

/// The trace context of a request that the proxy has passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedContext {
    /// Names in lower case, and values.
    pub lines: Vec<(Vec<u8>, Vec<u8>)>,
    /// The number of the trace.
    pub trace: u128,
    /// The number of the proxy's span.
    pub span: u64,
    /// The number of the sender's span.
    pub parent: Option<u64>,
    /// Whether spans are wanted.
    pub is_sampled: bool,
}

/// Passes a request on. `propagation` is one of three; `span` is the number of the proxy's span.
/// Names are tokens, and values have neither CR, LF nor NUL in them.
#[must_use]
pub fn pass_context(
    propagation: u8,
    lines: &[(Vec<u8>, Vec<u8>)],
    span: u64,
) -> Option<PassedContext> {
    let propagation = match propagation % 3 {
        0 => Propagation::B3,
        1 => Propagation::B3AndW3c,
        _ => Propagation::W3c,
    };
    let mut fields = Fields::default();
    for (name, value) in lines {
        fields.push(name, value);
    }
    let found = TraceFields::of(&fields);
    let decision = decide(&Sampling::ALL, &found, found.forces, || 0);
    let ids = (TraceId::new(span.into())?, SpanId::new(span)?);
    let before = incoming(propagation, &found);
    let context = Outgoing::new(&before, decision.is_traced(), ids);
    let came = Came::of(&found);
    if let Some(id) = decision.request_id {
        fields.set(FieldName::XRequestId, &id);
    }
    write(&context, propagation, &came, &mut fields);
    let lines = fields.iter();
    Some(PassedContext {
        lines: lines
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect(),
        trace: context.trace.get(),
        span: context.span.get(),
        parent: context.parent.map(SpanId::get),
        is_sampled: context.is_sampled,
    })
}
