//! `VirtualService`: how requests and connections to hosts are routed.

mod actions;
mod destination;
mod http;
mod matches;
mod tcp;

use schemars::JsonSchema;
use serde::Deserialize;

pub use actions::{
    DerivedPort, HttpBody, HttpDirectResponse, HttpRedirect, HttpRetry, HttpRewrite, RegexRewrite,
};
pub use destination::{Destination, PortSelector};
pub use http::{HeaderOperations, Headers, HttpRoute, HttpRouteDestination};
pub use matches::HttpMatchRequest;
pub use tcp::{L4MatchAttributes, RouteDestination, TcpRoute};

use crate::NotBuilt;

/// The spec of a `VirtualService`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualServiceSpec {
    /// The hosts that traffic is sent to: names of services or DNS names, with or without a
    /// wildcard (`*`, `*.example.com`). A name without a dot is in this object's namespace.
    pub hosts: Vec<String>,
    /// The gateways (`name` or `namespace/name`) that apply these routes; `mesh` means all
    /// sidecars. Default: `mesh`.
    pub gateways: Vec<String>,
    /// Routes for HTTP: the first that matches applies.
    pub http: Vec<HttpRoute>,
    /// Routes for TLS that is passed through.
    pub tls: Option<NotBuilt>,
    /// Routes for TCP: the first that matches applies.
    pub tcp: Vec<TcpRoute>,
    /// The namespaces that these routes are exported to: `.` (this one), `*` (all; the
    /// default) or names.
    pub export_to: Vec<String>,
}
