//! What a route for HTTP does besides sending requests on.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Duration, NotBuilt, absent};

/// An answer that sends the client elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRedirect {
    /// The path that replaces the request's, with its query if this has one.
    #[serde(deserialize_with = "absent::text")]
    pub uri: Option<String>,
    /// What replaces the matched prefix of the request's path.
    #[serde(deserialize_with = "absent::text")]
    pub prefix_rewrite: Option<String>,
    /// The host to name.
    #[serde(deserialize_with = "absent::text")]
    pub authority: Option<String>,
    /// The port to name. At most one of `port` and `derivePort` may be set.
    #[serde(deserialize_with = "absent::number")]
    pub port: Option<u16>,
    /// Where the port to name is taken from.
    pub derive_port: Option<DerivedPort>,
    /// The scheme to name.
    #[serde(deserialize_with = "absent::text")]
    pub scheme: Option<String>,
    /// The status: 301 (the default), 302, 303, 307 or 308.
    #[serde(deserialize_with = "absent::number")]
    pub redirect_code: Option<u32>,
}

/// Where a redirect's port is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DerivedPort {
    /// The scheme's: 80 or 443, which is left out.
    FromProtocolDefault,
    /// The one that the request came to.
    FromRequestPort,
}

/// A fixed answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpDirectResponse {
    /// The status.
    pub status: u32,
    /// The body. Default: none.
    pub body: Option<HttpBody>,
}

/// The body of a fixed answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BodyFields")]
pub enum HttpBody {
    /// Text.
    String(String),
    /// Any bytes, written in base64.
    Bytes(Vec<u8>),
}

/// The fields as they are written; exactly one of them.
#[derive(Deserialize, JsonSchema)]
struct BodyFields {
    /// Text.
    string: Option<String>,
    /// Any bytes, in base64.
    bytes: Option<String>,
}

impl TryFrom<BodyFields> for HttpBody {
    type Error = &'static str;

    fn try_from(fields: BodyFields) -> Result<Self, Self::Error> {
        match (fields.string, fields.bytes) {
            (Some(text), None) => Ok(Self::String(text)),
            (None, Some(text)) => STANDARD
                .decode(text)
                .map(Self::Bytes)
                .map_err(|_| "bytes must be base64"),
            _ => Err("exactly one of string and bytes must be set"),
        }
    }
}

impl JsonSchema for HttpBody {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpBody".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BodyFields::json_schema(generator)
    }
}

/// What is changed in a request before it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRewrite {
    /// What replaces the path, or its prefix where the condition is a prefix.
    #[serde(deserialize_with = "absent::text")]
    pub uri: Option<String>,
    /// The host that the request is sent with.
    #[serde(deserialize_with = "absent::text")]
    pub authority: Option<String>,
    /// A replacement by a regular expression. It takes precedence over `uri`.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// A replacement by a regular expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RegexRewrite {
    /// The expression (RE2 syntax).
    #[serde(rename = "match")]
    pub pattern: String,
    /// What replaces its matches; `\1` means the first group.
    pub rewrite: String,
}

/// How a request is retried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRetry {
    /// The number of retries; 0 means none.
    pub attempts: u32,
    /// The most time for one try. Default: the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// Conditions and statuses that a request is retried for, separated by commas. Default:
    /// `connect-failure,refused-stream,unavailable,cancelled`.
    pub retry_on: String,
    /// Whether a retry may leave the caller's locality.
    pub retry_remote_localities: Option<NotBuilt>,
    /// Whether a retry may go to an endpoint that was tried before.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// The base of the time between retries. Default: 25 ms.
    pub backoff: Option<Duration>,
}
