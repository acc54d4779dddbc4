//! Which service a cluster belongs to.

use std::sync::Arc;

/// What Istio says in a cluster's metadata (`istio`, `services`), for metrics.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Service {
    /// Such as `reviews.default.svc.cluster.local`.
    pub host: Arc<str>,
    /// Such as `reviews`.
    pub name: Arc<str>,
    pub namespace: Arc<str>,
}
