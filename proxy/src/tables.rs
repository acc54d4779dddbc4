//! What the proxy does with traffic: immutable tables, swapped as a whole.
//!
//! A [`Snapshot`] is one generation of configuration, which the [`Publisher`] hands out. Workers hold the newest one and look
//! it up without a lock; a request keeps the one that it began with.
//!
//! A connection's [`Listener`] is found by its original destination, and says where its bytes
//! go ([`TcpRoutes`]) or its requests ([`Hosts`], [`VirtualHost`], [`Route`]). Routes cite
//! clusters by name, which are looked up in [`Clusters`] for each request. [`ClusterStates`]
//! builds clusters, so that counters and turns go on from one generation to the next.

mod built_in;
mod client_cert;
mod cluster;
mod clusters;
mod collector;
mod current;
mod header_edits;
mod hosts;
mod http_listener;
mod leaving;
mod listener;
mod lookup;
mod pattern;
mod patterns;
mod publisher;
mod redirect;
mod retry_policy;
mod rewrite;
mod route;
mod route_match;
mod snapshot;
mod tcp_routes;
mod text_match;
mod tls;
mod tls_chains;
mod tracing;

#[cfg(test)]
pub(crate) use self::retry_policy::RetryConditions;
pub(crate) use self::{
    built_in::{BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH},
    client_cert::{ClientCert, ForwardClientCert},
    cluster::{
        ActiveRequest, Avoid, Balancer, CircuitLimits, Cluster, ClusterSettings, ClusterState,
        ClusterStates, Counted, EndpointSettings, EndpointSource, EndpointState, Endpoints,
        Overflow, Permit, Pick, Picked, PoolMark, RetryBudget, Service, Source, UpstreamProtocol,
    },
    clusters::Clusters,
    collector::{Collector, SpanProtocol},
    current::{Current, Held},
    header_edits::{EditAction, HeaderEdits, HeaderLevels},
    hosts::{Hosts, VirtualHost},
    http_listener::HttpListener,
    leaving::Leaving,
    listener::{Addresses, Detection, Listener, Listeners},
    lookup::Lookup,
    pattern::Pattern,
    patterns::Patterns,
    publisher::Publisher,
    redirect::{Redirect, RedirectPath},
    retry_policy::{NoResponse, RetryCondition, RetryPolicy},
    rewrite::{PathRewrite, Substitution},
    route::{
        Action, ClusterChoice, DirectResponse, Forward, GrpcTimeout, Route, WeightedCluster,
        WeightedClusters,
    },
    route_match::{HeaderMatch, HeaderName, HeaderTest, PathMatch, QueryMatch, RouteMatch},
    snapshot::Snapshot,
    tcp_routes::{
        AddressRange, ServerName, TcpAction, TcpForward, TcpRefusal, TcpRoute, TcpRoutes,
    },
    text_match::TextMatch,
    tls::{
        Carried, CertificateFiles, ClientHello, DownstreamTls, Outside, Proof, SanMatch,
        UpstreamTls,
    },
    tls_chains::{TlsChain, TlsChains, TlsChoice},
    tracing::{CustomTag, CustomValue, Propagation, Sampling, Tracing},
};
