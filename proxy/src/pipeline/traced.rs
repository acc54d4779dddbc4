//! What tracing does with a request: it is told its place in a trace, and may leave a span.

use std::sync::Arc;

use super::{connection::Connection, span::OpenSpan, worker::Worker};
use crate::{
    message::{FieldName, Fields, RequestHead},
    records::{InboundTrace, PassedOn, RequestRecord, SpanId, TraceId},
    tables::{Cluster, Route, Tracing},
    trace::{Came, Outgoing, TraceFields, decide, incoming, write},
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
    span: OpenSpan,
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
    /// `None` if it goes to none.
    pub cluster: Option<&'a Cluster>,
    /// The request's id was made here.
    pub has_new_id: bool,
}

impl Way<'_> {
    fn is_inbound(&self) -> bool {
        self.connection.direction == Direction::Inbound
    }

    /// Whether the application has sent it, and should say which trace it is part of. Its own spans
    /// are part of none.
    fn should_have_trace(&self, tracing: &Tracing) -> bool {
        let is_of_spans = self
            .cluster
            .is_some_and(|cluster| cluster.name() == &*tracing.collector.cluster);
        let leaves_pod = !self.is_inbound() && !self.connection.is_bound;
        tracing.tells_servers && leaves_pod && !is_of_spans
    }
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
        if way.should_have_trace(tracing) {
            worker.recorder.chains.left(&PassedOn {
                trace: before.parent.map(|parent| parent.trace),
                request_id: !way.has_new_id,
                b3: fields.b3.or(fields.b3_trace_id).is_some(),
                trace_parent: fields.trace_parent.is_some(),
            });
        }
        let told = fields.operation.filter(|_| way.is_inbound());
        let traced = match context.is_sampled {
            false => Self::Unwanted(context.trace),
            true => {
                let told = told.filter(|told| !told.is_empty());
                Self::Wanted(Box::new(Wanted {
                    span: OpenSpan {
                        tracing: Arc::clone(tracing),
                        context,
                        operation: match told {
                            Some(told) => Some(text(told)),
                            None => way.route.and_then(|route| route.operation.clone()),
                        },
                    },
                    tells_operation: way.is_inbound() && told.is_none(),
                    tells_request_id: is_forced,
                    _inbound: match tracing.tells_servers && way.is_inbound() {
                        true => {
                            let chains = &worker.recorder.chains;
                            chains.come(context.trace, tracing.propagation)
                        }
                        false => None,
                    },
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
            write(&context, tracing.propagation, &came, fields);
        }
        if let (Self::Wanted(wanted), false) = (&traced, way.is_inbound())
            && let Some(operation) = &wanted.span.operation
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
                if let Some(operation) = &wanted.span.operation {
                    fields.set(FieldName::XEnvoyDecoratorOperation, operation.as_bytes());
                }
            }
            (Direction::Inbound, _) => {}
            (Direction::Outbound, wanted) => {
                let Some(told) = fields.get(FieldName::XEnvoyDecoratorOperation) else {
                    return;
                };
                if let (Some(wanted), false) = (wanted, told.is_empty()) {
                    wanted.span.operation = Some(text(told));
                }
                fields.retain(|known, _, _| known != FieldName::XEnvoyDecoratorOperation);
            }
        }
    }

    /// Records the span, if there is one.
    pub fn end(&self, worker: &Worker, record: &RequestRecord<'_>) {
        if let Self::Wanted(wanted) = self {
            wanted.span.record(worker, record);
        }
    }

    /// Whether its span will be recorded.
    pub fn is_wanted(&self) -> bool {
        matches!(self, Self::Wanted(_))
    }

    /// The trace that the request is part of.
    pub fn trace(&self) -> Option<TraceId> {
        match self {
            Self::Off => None,
            Self::Unwanted(trace) => Some(*trace),
            Self::Wanted(wanted) => Some(wanted.span.context.trace),
        }
    }
}

/// What the other side calls a request, of which nothing else is known.
fn text(told: &[u8]) -> Arc<str> {
    Arc::from(String::from_utf8_lossy(told))
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
