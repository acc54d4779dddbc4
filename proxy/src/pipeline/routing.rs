//! Decides what is done with a request.

use std::sync::Arc;

use http::Method;

use super::{connection::Connection, failure::Failure};
use crate::{
    message::RequestHead,
    tables::{
        Action, Cluster, Clusters, DirectResponse, Forward, HttpListener, Listeners, Lookup,
        Redirect, Route, Tracing, VirtualHost, WeightedCluster,
    },
};

/// What is done with a request.
#[derive(Debug)]
pub(super) enum Decision<'t> {
    /// It goes to a cluster.
    Forward(Target<'t>),
    /// The client is sent elsewhere.
    Redirect(&'t Route, &'t Redirect),
    /// It is answered here.
    Respond(&'t Route, &'t DirectResponse),
    /// It can't go anywhere. The route is the one that says so, where there is one.
    Fail(Failure, Option<&'t Route>),
    /// Newer tables will tell.
    Wait,
    /// The connection's listener is not there any more, or does not carry HTTP any more.
    Gone,
}

impl<'t> Decision<'t> {
    /// The route that has decided, where there is one.
    pub fn route(&self) -> Option<&'t Route> {
        match self {
            Self::Forward(target) => Some(target.route),
            Self::Redirect(route, _) | Self::Respond(route, _) => Some(route),
            Self::Fail(_, route) => *route,
            Self::Wait | Self::Gone => None,
        }
    }

    /// The cluster that the request goes to.
    pub fn cluster(&self) -> Option<&'t Cluster> {
        match self {
            Self::Forward(target) => Some(target.cluster),
            _ => None,
        }
    }
}

/// What is done with a request, and whether it is traced.
#[derive(Debug)]
pub(super) struct Decided<'t> {
    pub decision: Decision<'t>,
    /// What its listener says of it.
    pub tracing: Option<&'t Arc<Tracing>>,
}

impl<'t> From<Decision<'t>> for Decided<'t> {
    /// Without a listener.
    fn from(decision: Decision<'t>) -> Self {
        Self {
            decision,
            tracing: None,
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'t> {
    pub route: &'t Arc<Route>,
    pub forward: &'t Forward,
    pub cluster: &'t Arc<Cluster>,
    /// Where the route has several clusters.
    pub weighted: Option<&'t WeightedCluster>,
    /// The server is told which attempt it is.
    pub tells_attempt: bool,
}

/// Decides by those listeners and clusters. `draw` gives the request's random number.
pub(super) fn decide<'t>(
    (listeners, clusters): (&'t Listeners, &'t Clusters),
    connection: &Connection,
    head: &RequestHead,
    draw: impl FnOnce() -> u64,
) -> Decided<'t> {
    // As in Envoy, a gateway makes no tunnels for those outside.
    if connection.is_bound && head.method == Method::CONNECT && head.upgrade().is_none() {
        return Decision::Fail(Failure::NoRoute, None).into();
    }
    let listener = match connection.listener(listeners) {
        Lookup::Found(listener) => listener,
        Lookup::Missing => return Decision::Gone.into(),
        Lookup::Waiting => return Decision::Wait.into(),
    };
    let Some(http) = listener.http_of(connection.hello()) else {
        return Decision::Gone.into();
    };
    Decided {
        decision: by_listener(http, clusters, head, draw),
        tracing: http.tracing.as_ref(),
    }
}

fn by_listener<'t>(
    http: &'t HttpListener,
    clusters: &'t Clusters,
    head: &RequestHead,
    draw: impl FnOnce() -> u64,
) -> Decision<'t> {
    let host = match http.hosts.find(head.authority().unwrap_or_default()) {
        Lookup::Found(host) => host,
        Lookup::Missing => return Decision::Fail(Failure::NoHost, None),
        Lookup::Waiting => return Decision::Wait,
    };
    let Some(route) = host.route(head) else {
        return Decision::Fail(Failure::NoRoute, None);
    };
    match &route.action {
        Action::Forward(forward) => find_target(clusters, (host, route, forward), draw),
        Action::Redirect(redirect) => Decision::Redirect(route, redirect),
        Action::Respond(response) => Decision::Respond(route, response),
    }
}

fn find_target<'t>(
    clusters: &'t Clusters,
    (host, route, forward): (&VirtualHost, &'t Arc<Route>, &'t Forward),
    draw: impl FnOnce() -> u64,
) -> Decision<'t> {
    let Some(chosen) = forward.clusters.choose(draw) else {
        return Decision::Fail(Failure::NoRoute, Some(route));
    };
    let cluster = match clusters.find(chosen.name) {
        Lookup::Found(cluster) => cluster,
        Lookup::Waiting => return Decision::Wait,
        Lookup::Missing => {
            let cluster = Arc::clone(chosen.name);
            return Decision::Fail(Failure::NoCluster { cluster }, Some(route));
        }
    };
    Decision::Forward(Target {
        route,
        forward,
        cluster,
        weighted: chosen.weighted,
        tells_attempt: host.tells_attempt,
    })
}
