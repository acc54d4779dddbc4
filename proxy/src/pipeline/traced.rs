//! What tracing does with a request: it is told its place in a trace, and may leave a span.

use std::sync::Arc;

use super::{connection::Connection, span, worker::Worker};
use crate::{
    message::{FieldName, Fields, RequestHead},
    records::{InboundTrace, PassedOn, RequestRecord, SpanId, TraceId},
    tables::{Route, Tracing},
    trace::{Came, Outgoing, TraceFields, decide, incoming},
    traffic::Direction,
};

/// A request, as tracing sees it.
#[derive(Debug, Default)]
pub(super) enum Traced {
    /// Its listener traces nothing, or it is not known yet.
    #[default]
    Off,
    /// Nobody wants its span in that trace.
    Unwanted(TraceId),
    /// Its span is recorded when it has ended.
    Wanted(Box<Wanted>),
}

/// A span that has not ended.
#[derive(Debug)]
pub(super) struct Wanted {
    pub tracing: Arc<Tracing>,
    pub context: Outgoing,
    /// What the route, or whoever is on the other side, calls the request.
    pub operation: Option<Arc<str>>,
    /// The client is told what the route calls it.
    tells_operation: bool,
    /// The client is told the request's id.
    tells_request_id: bool,
    /// Tells that the request has ended, for whether the application passes its trace on.
    _inbound: Option<InboundTrace>,
}

/// Where a request comes from, and where it goes.
pub(super) struct Way<'a> {
    pub connection: &'a Connection,
    pub route: Option<&'a Route>,
    /// The request's id was made here.
    pub has_new_id: bool,
}

impl Traced {
    /// Decides whether the request is traced, and writes that into it.
    pub fn begin(
        worker: &Worker,
        tracing: &Arc<Tracing>,
        way: &Way<'_>,
        head: &mut RequestHead,
    ) -> Self {
        let fields = TraceFields::of(&head.fields);
        let draw = || worker.with_random(|random| random.u64(..));
        let is_forced = fields.is_forced(&tracing.inside);
        let decision = decide(&tracing.sampling, &fields, is_forced, draw);
        let before = incoming(tracing.propagation, &fields);
        let Some(ids) = new_ids(worker, tracing.has_long_ids) else {
            return Self::Off;
        };
        let context = Outgoing::new(&before, decision.is_traced(), ids);
        let is_inbound = way.connection.direction == Direction::Inbound;
        if !is_inbound && !way.connection.is_bound {
            let passed_on = PassedOn {
                trace: before.parent.map(|parent| parent.trace),
                request_id: !way.has_new_id,
                b3: fields.b3.or(fields.b3_trace_id).is_some(),
                trace_parent: fields.trace_parent.is_some(),
            };
            worker.recorder.chains.left(&passed_on);
        }
        let told = fields.operation.filter(|_| is_inbound);
        let traced = match context.is_sampled {
            false => Self::Unwanted(context.trace),
            true => {
                let told = told.filter(|told| !told.is_empty());
                let operation = match told {
                    Some(told) => Some(Arc::from(String::from_utf8_lossy(told))),
                    None => way.route.and_then(|route| route.operation.clone()),
                };
                let inbound = || {
                    worker
                        .recorder
                        .chains
                        .come(context.trace, tracing.propagation)
                };
                Self::Wanted(Box::new(Wanted {
                    tracing: Arc::clone(tracing),
                    context,
                    operation,
                    tells_operation: is_inbound && told.is_none(),
                    tells_request_id: is_forced,
                    _inbound: is_inbound.then(inbound).flatten(),
                }))
            }
        };
        // As in Envoy, it goes no further where it does not count.
        let loses_force = fields.forces && !is_forced;
        let (came, was_told) = (Came::of(&fields), told.is_some());
        let fields = &mut head.fields;
        if let Some(id) = decision.request_id {
            fields.set(FieldName::XRequestId, &id);
        }
        if loses_force || was_told {
            fields.retain(|known, _, _| match known {
                FieldName::XEnvoyForceTrace => !loses_force,
                FieldName::XEnvoyDecoratorOperation => !was_told,
                _ => true,
            });
        }
        if tracing.tells_servers {
            context.write(tracing.propagation, &came, fields);
        }
        if let (Self::Wanted(wanted), false) = (&traced, is_inbound)
            && let Some(operation) = &wanted.operation
        {
            fields.set(FieldName::XEnvoyDecoratorOperation, operation.as_bytes());
        }
        traced
    }

    /// Has a response say to the client's side, or take from the server's, what the request is
    /// called.
    pub fn answer(&mut self, direction: Direction, request: &RequestHead, fields: &mut Fields) {
        let wanted = match self {
            Self::Off => return,
            Self::Unwanted(_) => None,
            Self::Wanted(wanted) => Some(&mut **wanted),
        };
        if let Some(wanted) = &wanted
            && wanted.tells_request_id
            && let Some(id) = request.fields.get(FieldName::XRequestId)
        {
            fields.set(FieldName::XRequestId, id);
        }
        match (direction, wanted) {
            (Direction::Inbound, Some(wanted)) if wanted.tells_operation => {
                if let Some(operation) = &wanted.operation {
                    fields.set(FieldName::XEnvoyDecoratorOperation, operation.as_bytes());
                }
            }
            (Direction::Inbound, _) => {}
            (Direction::Outbound, wanted) => {
                let Some(told) = fields.get(FieldName::XEnvoyDecoratorOperation) else {
                    return;
                };
                if let (Some(wanted), false) = (wanted, told.is_empty()) {
                    wanted.operation = Some(Arc::from(String::from_utf8_lossy(told)));
                }
                fields.retain(|known, _, _| known != FieldName::XEnvoyDecoratorOperation);
            }
        }
    }

    /// Records the span, if there is one.
    pub fn end(&self, worker: &Worker, record: &RequestRecord<'_>) {
        if let Self::Wanted(wanted) = self {
            span::record(wanted, worker, record);
        }
    }

    /// The trace that the request is part of.
    pub fn trace(&self) -> Option<TraceId> {
        match self {
            Self::Off => None,
            Self::Unwanted(trace) => Some(*trace),
            Self::Wanted(wanted) => Some(wanted.context.trace),
        }
    }
}

/// Numbers for a trace and a span. As in Zipkin, a trace that begins here has that of its first
/// span in it.
fn new_ids(worker: &Worker, are_long: bool) -> Option<(TraceId, SpanId)> {
    let (high, low) = worker.with_random(|random| {
        let high = if are_long { random.u64(..) } else { 0 };
        (high, random.u64(1..))
    });
    let trace = u128::from(high) << 64 | u128::from(low);
    TraceId::new(trace).zip(SpanId::new(low))
}
