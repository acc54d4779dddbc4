//! Which requests of a listener are traced, and what their spans say.

use std::sync::Arc;

use super::{AddressRange, Collector};

/// How the requests of a listener are traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracing {
    pub sampling: Sampling,
    pub propagation: Propagation,
    /// Servers are told of the trace.
    pub tells_servers: bool,
    /// Traces that begin here have numbers of 128 bits, and otherwise of 64.
    pub has_long_ids: bool,
    /// The addresses whose requests may say that they are to be traced. As in Envoy, there are
    /// none unless the configuration has some.
    pub inside: Box<[AddressRange]>,
    /// Bytes of a path that a span says.
    pub max_path: usize,
    /// Besides those that all spans have. No name twice.
    pub tags: Box<[CustomTag]>,
    pub collector: Arc<Collector>,
}

/// Which requests are traced of which nobody has decided it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sampling {
    /// Of a hundred whose client asks for it (`x-client-trace-id`).
    pub client: u32,
    /// Of ten thousand.
    pub random: u32,
    /// Of a hundred, of all that would be traced by the other two.
    pub overall: u32,
    /// `x-request-id` decides, and otherwise all of them are.
    pub by_request_id: bool,
    /// `x-request-id` tells others what was decided.
    pub marks_request_id: bool,
}

/// Which fields tell of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// Zipkin's: `x-b3-traceid` and its like, or `b3`.
    B3,
    /// The same, or those of W3C where they are not there. Servers are told by both.
    B3AndW3c,
    /// `traceparent` and `tracestate`.
    W3c,
}

/// What spans say besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustomTag {
    pub name: Box<str>,
    pub value: CustomValue,
}

/// What a custom tag says. Without a value there is no tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CustomValue {
    Literal(Box<str>),
    /// A field of the request, in lower case, or else that.
    RequestField(Box<[u8]>, Box<str>),
    /// The same of the response.
    ResponseField(Box<[u8]>, Box<str>),
}

#[cfg(any(test, feature = "test-util"))]
impl Sampling {
    /// Everything is traced.
    pub const ALL: Self = Self {
        client: 100,
        random: 10_000,
        overall: 100,
        by_request_id: true,
        marks_request_id: true,
    };
}
