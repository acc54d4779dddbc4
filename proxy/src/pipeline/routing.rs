//! Decides what is done with a request.

use std::sync::Arc;

use http::Method;

use super::{connection::Connection, failure::Failure};
use crate::{
    message::RequestHead,
    tables::{
        Action, Cluster, Clusters, DirectResponse, Forward, Listeners, Lookup, Redirect, Route,
        VirtualHost, WeightedCluster,
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
) -> Decision<'t> {
    // As in Envoy, a gateway makes no tunnels for those outside.
    if connection.is_bound && head.method == Method::CONNECT && head.upgrade().is_none() {
        return Decision::Fail(Failure::NoRoute, None);
    }
    let listener = match connection.listener(listeners) {
        Lookup::Found(listener) => listener,
        Lookup::Missing => return Decision::Gone,
        Lookup::Waiting => return Decision::Wait,
    };
    let Some(http) = &listener.http else {
        return Decision::Gone;
    };
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
