//! How an endpoint is chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::NotBuilt;

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerSettings {
    /// One of the simple ways. Default: `LEAST_REQUEST`, or the mesh's default.
    pub simple: Option<SimpleLb>,
    /// By a hash of something in the request.
    pub consistent_hash: Option<NotBuilt>,
    /// By the endpoint's locality.
    pub locality_lb_setting: Option<NotBuilt>,
    /// By the endpoint's zone.
    pub zone_aware_lb_setting: Option<NotBuilt>,
    /// Deprecated in Istio in favour of `warmup`.
    pub warmup_duration_secs: Option<NotBuilt>,
    /// How a new endpoint's share grows.
    pub warmup: Option<NotBuilt>,
}

/// The simple ways of choosing an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLb {
    /// The default.
    #[default]
    Unspecified,
    /// Deprecated in Istio: `LEAST_REQUEST`.
    LeastConn,
    /// A random one.
    Random,
    /// The address that the client called.
    Passthrough,
    /// Each in turn.
    RoundRobin,
    /// Of two random ones the one with fewer requests under way.
    LeastRequest,
}
