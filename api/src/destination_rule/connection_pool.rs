//! Limits of connections and requests.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Duration, NotBuilt};

/// Limits of connections and requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionPoolSettings {
    /// Those of connections, for HTTP as well.
    pub tcp: Option<TcpSettings>,
    /// Those of HTTP.
    pub http: Option<HttpSettings>,
}

/// Limits of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpSettings {
    /// The most connections to the service. 0 or unset: no limit.
    pub max_connections: u32,
    /// The most time for a connection to be made. Default: 10 s.
    pub connect_timeout: Option<Duration>,
    /// Keep-alive of TCP.
    pub tcp_keepalive: Option<NotBuilt>,
    /// The longest life of a connection.
    pub max_connection_duration: Option<NotBuilt>,
    /// The most time without traffic. Default: 1 h.
    pub idle_timeout: Option<Duration>,
}

/// Limits of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpSettings {
    /// The most requests that wait for a connection. 0 or unset: no limit.
    pub http1_max_pending_requests: u32,
    /// The most requests under way. 0 or unset: no limit.
    pub http2_max_requests: u32,
    /// The most requests of one connection. 0 or unset: no limit.
    pub max_requests_per_connection: u32,
    /// The most retries under way. 0 or unset: no limit.
    pub max_retries: u32,
    /// The most time that a connection to an endpoint is kept without a request, if that is shorter
    /// than the proxy's own: 60 s for HTTP/2; for HTTP/1.1, 4 s, or a second less than its server's
    /// Keep-Alive says, 60 s at most.
    pub idle_timeout: Option<Duration>,
    /// Whether HTTP/1.1 becomes HTTP/2 towards the endpoints.
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,
    /// Whether the client's protocol is used towards the endpoints.
    pub use_client_protocol: bool,
    /// The most requests under way on one HTTP/2 connection.
    pub max_concurrent_streams: Option<NotBuilt>,
    /// PINGs of HTTP/2.
    pub http2_keep_alive: Option<NotBuilt>,
}

/// Whether HTTP/1.1 becomes HTTP/2 towards the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// As the mesh says, which by default does not upgrade.
    #[default]
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}
