//! How a proxy traces requests, as the model tells it.

use std::sync::Arc;

use pillion_api::{CustomTag, Percentage};

use super::objects::CollectorProtocol;

/// How a proxy traces requests, by the side on which it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tracing {
    /// Those that its application sends, or that come to a gateway. None: they are not traced.
    pub client: Option<Arc<Tracer>>,
    /// Those that its application serves.
    pub server: Option<Arc<Tracer>>,
}

/// How requests are traced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tracer {
    /// Who gets the spans.
    pub collector: Collector,
    /// The share of requests that is traced, where nobody before has decided.
    pub sampling: Percentage,
    /// Tags that are added to spans, in the order of their names.
    pub tags: Vec<(Arc<str>, CustomTag)>,
    /// Whether spans say which workload the proxy is of.
    pub istio_tags: bool,
    /// How many bytes of a path spans have, if it is said.
    pub max_path_length: Option<u32>,
    /// Whether the request's id decides whether it is traced.
    pub by_request_id: bool,
}

/// Who gets the spans.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Collector {
    /// The cluster that reaches it.
    pub cluster: Arc<str>,
    /// Its host.
    pub host: Arc<str>,
    /// What it understands.
    pub protocol: CollectorProtocol,
}
