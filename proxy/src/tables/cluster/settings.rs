//! What the configuration says of a cluster, without its endpoints.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use super::service::Service;
use crate::tables::UpstreamTls;

/// Which version of HTTP a cluster's endpoints are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum UpstreamProtocol {
    /// The one that the client speaks.
    Downstream,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Balancer {
    /// One after the other, by weight, whichever worker has the request.
    RoundRobin,
    /// Of two that are drawn at random by weight, the one with fewer requests.
    LeastRequest,
    /// At random, by weight.
    Random,
}

/// How much of a cluster may be in use at a time, over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CircuitLimits {
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    pub requests: u32,
    /// Requests that are sent another time. A retry budget stands in for it.
    pub retries: u32,
}

impl CircuitLimits {
    /// Istio's default.
    pub const UNLIMITED: Self = Self {
        connections: u32::MAX,
        pending: u32::MAX,
        requests: u32::MAX,
        retries: u32::MAX,
    };
}

/// How many retries there may be, in proportion to the requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RetryBudget {
    /// Of the active requests, 0 to 100. Envoy's default is 20.
    pub percent: f64,
    /// That many are always allowed. Envoy's default is 3.
    pub min_concurrency: u32,
}

impl RetryBudget {
    /// How many there may be with so many requests.
    pub(super) fn retries(self, requests: u32) -> u32 {
        let share = f64::from(requests) * self.percent / 100.0;
        (share as u32).max(self.min_concurrency)
    }
}

/// Where connections to endpoints come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// The address that the system chooses.
    Any,
    /// 127.0.0.6 or ::6, which is not captured again: to the pod's own application.
    Inbound,
}

/// What the configuration says of a cluster, without its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClusterSettings {
    /// As Istio names it, such as `outbound|9080|v1|reviews.default.svc.cluster.local`.
    pub name: Arc<str>,
    pub service: Option<Service>,
    pub balancer: Balancer,
    pub protocol: UpstreamProtocol,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a connection without requests is kept at most; `None` for the proxy's own limits.
    pub idle_timeout: Option<Duration>,
    /// A connection has no more requests than that.
    pub max_requests_per_connection: Option<NonZeroU32>,
    pub limits: CircuitLimits,
    pub retry_budget: Option<RetryBudget>,
    pub source: Source,
    /// Endpoints on the proxy's own host or link are left out: loopback, link-local and
    /// unspecified addresses, wherever they come from. The names of others may lead there.
    pub leaves_out_own_host: bool,
    /// How endpoints are spoken to that TLS is for.
    pub tls: Option<Arc<UpstreamTls>>,
    /// Whether that is so for original destinations.
    pub secures_original: bool,
}

/// Envoy's `connect_timeout` in Istio.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl ClusterSettings {
    /// Istio's defaults.
    pub fn new(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            service: None,
            balancer: Balancer::LeastRequest,
            protocol: UpstreamProtocol::Downstream,
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: None,
            max_requests_per_connection: None,
            limits: CircuitLimits::UNLIMITED,
            retry_budget: None,
            source: Source::Any,
            leaves_out_own_host: false,
            tls: None,
            secures_original: false,
        }
    }
}

/// Where a cluster's endpoints come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EndpointSource {
    /// The address that the client connected to.
    OriginalDestination,
    /// These; none is a cluster that answers 503.
    List(Vec<EndpointSettings>),
    /// The control plane has been asked for them.
    Waiting,
}

/// What the configuration says of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndpointSettings {
    pub address: SocketAddr,
    /// At least 1; 0 is taken as 1.
    pub weight: u32,
    /// 0 comes first. Others are used when no endpoint of a smaller number is healthy.
    pub priority: u32,
    pub is_healthy: bool,
    /// Whether it is spoken to by the cluster's TLS.
    pub is_secured: bool,
}

impl EndpointSettings {
    /// A healthy one, with the weight and the priority that most have.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            weight: 1,
            priority: 0,
            is_healthy: true,
            is_secured: false,
        }
    }
}
