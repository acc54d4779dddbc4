//! Decides what is done with a request.

use std::sync::Arc;

use fastrand::Rng;
use http::Method;

use super::{connection::Connection, failure::Failure};
use crate::{
    message::RequestHead,
    tables::{
        Action, Cluster, DirectResponse, Forward, Lookup, Redirect, Route, Snapshot, VirtualHost,
        WeightedCluster,
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
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'t> {
    pub route: &'t Route,
    pub forward: &'t Forward,
    pub cluster: &'t Arc<Cluster>,
    /// Where the route has several clusters.
    pub weighted: Option<&'t WeightedCluster>,
    /// The server is told which attempt it is.
    pub tells_attempt: bool,
}

/// Decides by those tables.
pub(super) fn decide<'t>(
    tables: &'t Snapshot,
    connection: &Connection,
    head: &RequestHead,
    random: &mut Rng,
) -> Decision<'t> {
    // As in Envoy, a gateway makes no tunnels for those outside.
    if connection.is_bound && head.method == Method::CONNECT && head.upgrade().is_none() {
        return Decision::Fail(Failure::NoRoute, None);
    }
    let host = match find_host(tables, connection, head) {
        Lookup::Found(host) => host,
        Lookup::Missing => return Decision::Fail(Failure::NoHost, None),
        Lookup::Waiting => return Decision::Wait,
    };
    let matches = |route: &&Arc<Route>| route.matches.matches(head);
    let Some(route) = host.routes.iter().find(matches) else {
        return Decision::Fail(Failure::NoRoute, None);
    };
    match &route.action {
        Action::Forward(forward) => find_target(tables, (host, route, forward), random),
        Action::Redirect(redirect) => Decision::Redirect(route, redirect),
        Action::Respond(response) => Decision::Respond(route, response),
    }
}

fn find_host<'t>(
    tables: &'t Snapshot,
    connection: &Connection,
    head: &RequestHead,
) -> Lookup<&'t Arc<VirtualHost>> {
    match connection.listener(tables) {
        Lookup::Found(listener) => match &listener.http {
            Some(http) => http.hosts.find(head.authority().unwrap_or_default()),
            None => Lookup::Missing,
        },
        Lookup::Missing => Lookup::Missing,
        Lookup::Waiting => Lookup::Waiting,
    }
}

fn find_target<'t>(
    tables: &'t Snapshot,
    (host, route, forward): (&VirtualHost, &'t Route, &'t Forward),
    random: &mut Rng,
) -> Decision<'t> {
    let Some(chosen) = forward.clusters.choose(random) else {
        return Decision::Fail(Failure::NoRoute, Some(route));
    };
    let cluster = match tables.clusters.find(chosen.name) {
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
