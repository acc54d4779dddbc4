//! Spans and collectors for tests.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use http::{
    HeaderMap,
    uri::{Authority, PathAndQuery},
};

use super::span::{Span, SpanId, SpanKind, TraceId};
use crate::tables::{Collector, SpanProtocol};

/// A server's span without a parent and without tags.
pub(crate) fn span() -> Span<'static> {
    Span {
        trace: TraceId::new(1 << 64 | 10).unwrap(),
        id: SpanId::new(11).unwrap(),
        parent: None,
        kind: SpanKind::Server,
        name: "reviews.shop.svc.cluster.local:9080/*",
        started: UNIX_EPOCH + Duration::from_millis(1_460_751_910_007),
        duration: Duration::from_micros(1500),
        is_error: false,
        tags: &[],
        trace_state: "",
    }
}

/// A collector that is spoken to in that way, whose cluster is `collector`.
pub(crate) fn collector(protocol: SpanProtocol) -> Collector {
    let path = match protocol {
        SpanProtocol::Zipkin => "/api/v2/spans",
        SpanProtocol::OtlpHttp => "/v1/traces",
        SpanProtocol::OtlpGrpc => "/",
    };
    Collector {
        cluster: Arc::from("collector"),
        protocol,
        authority: Authority::from_static("collector.test"),
        path: PathAndQuery::from_static(path),
        headers: HeaderMap::new(),
        timeout: Duration::from_secs(60),
        service_name: None,
    }
}
