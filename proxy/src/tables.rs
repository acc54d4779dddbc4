//! What the proxy does with traffic: immutable tables, swapped as a whole.
//!
//! A [`Snapshot`] is one generation of configuration. Workers hold the newest one and look
//! it up without a lock; a request keeps the one that it began with.

mod built_in;
mod cluster;
mod hosts;
mod listener;
mod route;
mod snapshot;

pub(crate) use self::{
    cluster::{Cluster, Endpoints, UpstreamProtocol},
    hosts::{Hosts, VirtualHost},
    listener::{Detection, Listener, Listeners},
    route::{Action, PathMatch, Route},
    snapshot::{Current, Snapshot},
};
