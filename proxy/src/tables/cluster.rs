//! Groups of endpoints that a request can go to.

mod endpoints;
mod group;
mod own_host;
mod security;
mod service;
mod settings;
mod state;
mod states;

pub(crate) use self::{
    group::{Avoid, Cluster, Endpoints, Overflow, Pick, Picked},
    service::Service,
    settings::{
        Balancer, CircuitLimits, ClusterSettings, EndpointSettings, EndpointSource, RetryBudget,
        Source, UpstreamProtocol,
    },
    state::{ActiveRequest, ClusterState, Counted, EndpointState, Permit, PoolMark},
    states::ClusterStates,
};
