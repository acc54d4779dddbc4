//! What a connection belongs to.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    records::Parties,
    tables::{Cluster, ClusterState, EndpointState, Permit, PoolMark},
};

/// What a connection belongs to, and how long it may be used.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Counts the connection, where its cluster has a limit.
    permit: Option<Permit>,
    cluster: Arc<ClusterState>,
    mark: Weak<PoolMark>,
    endpoint: Option<Weak<EndpointState>>,
    idle_timeout: Option<Duration>,
    /// `None` without a limit.
    requests_left: Option<u32>,
    parties: Option<Arc<Parties>>,
}

impl Lease {
    /// Of a new connection to an endpoint of the cluster.
    pub fn new(
        cluster: &Cluster,
        endpoint: Option<&Arc<EndpointState>>,
        permit: Option<Permit>,
    ) -> Self {
        let most = cluster.settings.max_requests_per_connection;
        Self {
            permit,
            cluster: Arc::clone(&cluster.state),
            mark: Arc::downgrade(&cluster.mark),
            endpoint: endpoint.map(Arc::downgrade),
            idle_timeout: cluster.settings.idle_timeout,
            requests_left: most.map(std::num::NonZeroU32::get),
            parties: None,
        }
    }

    /// The same, of one whose ends have proved who they are, if they have.
    pub fn between(self, parties: Option<Arc<Parties>>) -> Self {
        Self { parties, ..self }
    }

    /// Who speaks to whom, if both have proved it.
    pub fn parties(&self) -> Option<&Arc<Parties>> {
        self.parties.as_ref()
    }

    /// Whether the cluster has the endpoint still, and would make the connection in the same way.
    pub fn is_current(&self) -> bool {
        let has_endpoint = |endpoint: &Weak<EndpointState>| endpoint.strong_count() > 0;
        self.mark.strong_count() > 0 && self.endpoint.as_ref().is_none_or(has_endpoint)
    }

    /// How long it may be idle, if the configuration says so.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    /// The connection's cluster, if its connections are limited.
    pub fn limited(&self) -> Option<&ClusterState> {
        self.permit.as_ref().map(|_| &*self.cluster)
    }

    /// Counts a request, and says whether there may be another one.
    pub fn count_request(&mut self) -> bool {
        let Some(left) = &mut self.requests_left else {
            return true;
        };
        *left = left.saturating_sub(1);
        *left > 0
    }
}
