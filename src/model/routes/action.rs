//! What a route does with a request.

use std::{sync::Arc, time::Duration};

/// What a route does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is sent to a cluster.
    Forward(Forward),
    /// The client is told to go elsewhere.
    Redirect(Redirect),
    /// It is answered.
    Respond(DirectResponse),
}

/// How a request is sent on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Forward {
    /// Where to, at least one. With one, its weight does not matter. A name may be that of
    /// no cluster, which is answered by 503.
    pub clusters: Vec<WeightedCluster>,
    /// How long the whole of it may take. Default: without limit.
    pub timeout: Option<Duration>,
    /// Whether and how it is tried again. `None` is never.
    pub retries: Option<Retries>,
    /// What `Host` becomes. It wins over that of the cluster.
    pub host_rewrite: Option<Arc<str>>,
    /// What the path becomes.
    pub path_rewrite: Option<PathRewrite>,
}

/// One of a route's destinations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightedCluster {
    /// The cluster's name.
    pub cluster: Arc<str>,
    /// Its share is this, divided by the sum of all.
    pub weight: u32,
    /// What is done to the request's headers, before the route's own operations. Empty
    /// where there is one destination: its operations follow the route's, in the route.
    pub request_headers: HeaderOperations,
    /// What is done to the response's headers, before the route's own operations.
    pub response_headers: HeaderOperations,
    /// What `Host` becomes.
    pub host_rewrite: Option<Arc<str>>,
}

/// How a request is tried again. The defaults are Istio's for routes that say nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Retries {
    /// How often it is tried again. Default: 2.
    pub attempts: u32,
    /// Envoy's names of the conditions. Default: `connect-failure`, `refused-stream`,
    /// `unavailable`, `cancelled`, `retriable-status-codes`.
    pub conditions: Vec<Arc<str>>,
    /// The status codes that `retriable-status-codes` stands for. Default: none.
    pub status_codes: Vec<u16>,
    /// How long one try may take. Default: as long as all of them.
    pub per_try_timeout: Option<Duration>,
    /// The base of the exponential back-off; its most is ten times that. Default: 25 ms.
    pub back_off: Option<Duration>,
    /// Whether hosts that were tried are avoided, five times at most. Default: yes.
    pub avoid_previous_hosts: bool,
}

impl Default for Retries {
    fn default() -> Self {
        let conditions = [
            "connect-failure",
            "refused-stream",
            "unavailable",
            "cancelled",
            "retriable-status-codes",
        ];
        Self {
            attempts: 2,
            conditions: conditions.map(Arc::from).to_vec(),
            status_codes: Vec::new(),
            per_try_timeout: None,
            back_off: None,
            avoid_previous_hosts: true,
        }
    }
}

/// What is done to headers: first lines are removed, then the operations follow in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeaderOperations {
    /// The names of headers that are removed, in lower case.
    pub remove: Vec<Arc<str>>,
    /// The headers that are written.
    pub write: Vec<HeaderOperation>,
}

impl HeaderOperations {
    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.write.is_empty()
    }

    /// These operations, and then others.
    pub fn then(mut self, others: Self) -> Self {
        self.remove.extend(others.remove);
        self.write.extend(others.write);
        self
    }
}

/// A header that is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderOperation {
    /// Its name, in lower case.
    pub name: Arc<str>,
    /// Its value, which may hold Envoy's command operators.
    pub value: Arc<str>,
    /// Whether it is added to lines of that name, rather than in their place.
    pub append: bool,
}

/// What a path becomes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathRewrite {
    /// This takes the place of the prefix that was matched, or of the whole path that was
    /// matched exactly.
    Prefix(Arc<str>),
    /// What the expression (RE2) matches is replaced; `\1` is its first group.
    Regex {
        /// The expression.
        pattern: Arc<str>,
        /// What takes the place of each match.
        substitution: Arc<str>,
    },
}

/// A redirect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308. Default: 301.
    pub status: u16,
    /// The path that takes the place of the request's.
    pub path: Option<Arc<str>>,
    /// What takes the place of the prefix that was matched.
    pub prefix_rewrite: Option<Arc<str>>,
    /// The host. Default: the request's.
    pub authority: Option<Arc<str>>,
    /// The scheme. Default: the request's.
    pub scheme: Option<Arc<str>>,
    /// The port. Default: the one that goes without saying, or is in `authority`.
    pub port: Option<RedirectPort>,
}

/// The port of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectPort {
    /// This one.
    Number(u16),
    /// The listener's.
    Request,
}

/// An answer from the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectResponse {
    /// The status.
    pub status: u16,
    /// The body, 1 MiB at most.
    pub body: Arc<[u8]>,
}
