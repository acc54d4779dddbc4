//! What a finished request or a TCP connection leaves: Istio's metrics, Envoy's access log, and spans.
//!
//! There is one [`Records`] in a process and one [`Recorder`] in each worker. A worker
//! writes counters that no other one writes; a scrape adds them up.

mod access_log;
mod chains;
mod connection;
mod escape;
mod exposition;
mod facts;
mod flags;
mod histogram;
mod labels;
mod open_metrics;
mod parties;
mod process;
mod recorder;
mod refusals;
mod registry;
mod request_series;
mod seldom;
#[cfg(test)]
mod test_util;
#[cfg(test)]
mod tests;
mod trace;
mod workload;

#[cfg(test)]
pub(crate) use self::trace::test_util as trace_test_util;
pub(crate) use self::{
    access_log::AccessLogConfig,
    chains::{Chains, Counts, InboundTrace, PassedOn, Verdict, headers},
    facts::{ConnectionFacts, DownstreamTls, RequestRecord, connect_failure, tls_failure},
    flags::{ResponseFlag, ResponseFlags},
    parties::Parties,
    process::Records,
    recorder::Recorder,
    refusals::Refused,
    trace::{Outlet, Report, Span, SpanId, SpanKind, Spans, Tag, TraceId},
    workload::{Workload, labels},
};
