//! A route for HTTP.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    actions::{HttpDirectResponse, HttpRedirect, HttpRetry, HttpRewrite},
    destination::Destination,
    matches::HttpMatchRequest,
};
use crate::{Duration, NotBuilt};

/// What is done with requests that match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRoute {
    /// The route's name, for access logs.
    pub name: String,
    /// The conditions: all within an element of the list have to hold, and one element is
    /// enough. None: the route matches every request.
    #[serde(rename = "match")]
    pub matches: Vec<HttpMatchRequest>,
    /// Where requests are sent.
    pub route: Vec<HttpRouteDestination>,
    /// The request is answered with a redirect.
    pub redirect: Option<HttpRedirect>,
    /// The request is answered with a fixed response.
    pub direct_response: Option<HttpDirectResponse>,
    /// Routes that another VirtualService has.
    pub delegate: Option<NotBuilt>,
    /// What is changed in the request's path and host before it is sent.
    pub rewrite: Option<HttpRewrite>,
    /// The most time for a request with all its retries. Default: none.
    pub timeout: Option<Duration>,
    /// How a request is retried. Default: 2 retries where that is safe.
    pub retries: Option<HttpRetry>,
    /// Faults that are injected for tests.
    pub fault: Option<NotBuilt>,
    /// A second destination, which gets copies of requests.
    pub mirror: Option<NotBuilt>,
    /// Destinations that get copies of requests.
    pub mirrors: Option<NotBuilt>,
    /// Deprecated in Istio in favour of `mirrorPercentage`.
    pub mirror_percent: Option<NotBuilt>,
    /// The share of requests that is copied to `mirror`.
    pub mirror_percentage: Option<NotBuilt>,
    /// Cross-origin resource sharing.
    pub cors_policy: Option<NotBuilt>,
    /// What is changed in the headers of requests and responses.
    pub headers: Option<Headers>,
}

/// A destination and its share of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteDestination {
    /// The destination.
    pub destination: Destination,
    /// Its share, relative to the sum of all weights of the route. A single destination gets
    /// every request, whatever its weight.
    pub weight: u32,
    /// What is changed in headers for this destination.
    pub headers: Option<Headers>,
}

/// What is changed in headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Headers {
    /// In the request, before it is sent.
    pub request: Option<HeaderOperations>,
    /// In the response, before it is returned.
    pub response: Option<HeaderOperations>,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HeaderOperations {
    /// Headers that replace those of the same name.
    pub set: BTreeMap<String, String>,
    /// Headers that are added to those of the same name.
    pub add: BTreeMap<String, String>,
    /// Names of headers that are removed.
    pub remove: Vec<String>,
}
