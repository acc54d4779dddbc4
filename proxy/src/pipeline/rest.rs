//! What is left of a request once its response has begun.

use std::{future::poll_fn, sync::Arc, task::Poll};

use super::{
    attempt::{Attempt, Interrupted},
    clock::Clock,
    downstream::Downstream,
    replay::Held,
};
use crate::{
    message::Fields,
    tables::{ActiveRequest, Cluster, ClusterState, Permit},
};

/// What is left of a request once its response has begun. It holds nothing of the tables.
pub(super) struct Rest<'a> {
    pub attempt: Attempt,
    pub held: Held<'a>,
    pub clock: Clock,
    pub is_tunnel: bool,
    /// Of the response.
    pub fields: Fields,
    pub places: Places,
}

/// What counts a request. Fields are dropped in this order.
pub(super) struct Places {
    /// At its endpoint.
    _active: Option<ActiveRequest>,
    /// Among the retries of its cluster.
    _retry: Option<Permit>,
    /// Among the requests of its cluster.
    _request: Option<Permit>,
    _free: Free,
}

impl Places {
    /// At its endpoint, among the retries and among the requests of its cluster.
    pub fn new(
        active: Option<ActiveRequest>,
        (retry, request): (Option<Permit>, Option<Permit>),
        free: Free,
    ) -> Self {
        Self {
            _active: active,
            _retry: retry,
            _request: request,
            _free: free,
        }
    }
}

/// Tells those that wait for a connection of the cluster when a request does not need its
/// own any more: one of HTTP/2 may take another stream.
pub(super) struct Free(Option<Arc<ClusterState>>);

impl Free {
    /// Of a request to that cluster.
    pub fn of(cluster: &Cluster) -> Self {
        let is_limited = cluster.settings.limits.connections != u32::MAX;
        Self(is_limited.then(|| Arc::clone(&cluster.state)))
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        if let Self(Some(cluster)) = self {
            cluster.wake();
        }
    }
}

impl Rest<'_> {
    /// Passes on what is there already; `None` if more is to come.
    pub async fn begin(
        &mut self,
        downstream: &mut impl Downstream,
    ) -> Option<Result<(), Interrupted>> {
        let passed = poll_fn(|context| {
            let (attempt, state) = (&mut self.attempt, (&mut self.held, &mut self.clock));
            Poll::Ready(attempt.poll_pass(context, downstream, state, self.is_tunnel))
        });
        match passed.await {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }

    /// Passes on all that comes.
    pub async fn go_on(&mut self, downstream: &mut impl Downstream) -> Result<(), Interrupted> {
        let (held, clock) = (&mut self.held, &mut self.clock);
        match self.is_tunnel {
            true => self.attempt.tunnel(downstream, held, clock).await,
            false => self.attempt.bodies(downstream, held, clock).await,
        }
    }
}
