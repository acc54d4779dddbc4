//! Where spans of traces are sent.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap,
    uri::{Authority, PathAndQuery},
};

/// A collector of spans, as the configuration names it. Those that are equal get their spans together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collector {
    /// The name of the cluster whose endpoints take spans.
    pub cluster: Arc<str>,
    pub protocol: SpanProtocol,
    /// What requests say in `Host` or `:authority`.
    pub authority: Authority,
    /// Not used by gRPC.
    pub path: PathAndQuery,
    /// Fields that requests have on top of those of the protocol.
    pub headers: HeaderMap,
    /// How long a request may take.
    pub timeout: Duration,
    /// What backends call this workload; `None` leaves it to what the proxy knows of itself.
    pub service_name: Option<Arc<str>>,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SpanProtocol {
    /// Zipkin's version 2: lists of spans in JSON by HTTP/1.1.
    Zipkin,
    /// OpenTelemetry's protobuf by HTTP/1.1.
    OtlpHttp,
    /// The same as a call of gRPC.
    OtlpGrpc,
}

impl SpanProtocol {
    /// What metrics call it, which is what Envoy calls its tracers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zipkin => "zipkin",
            Self::OtlpHttp | Self::OtlpGrpc => "opentelemetry",
        }
    }
}
