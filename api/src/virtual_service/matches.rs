//! The conditions of a route for HTTP.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::{StringMatch, absent};

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpMatchRequest {
    /// The condition's name, which is appended to the route's in access logs.
    pub name: String,
    /// The path, without the query.
    pub uri: Option<StringMatch>,
    /// The scheme, `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// The method.
    pub method: Option<StringMatch>,
    /// The host, and the port where the request says one.
    pub authority: Option<StringMatch>,
    /// Headers by name; `{}` asks only that the header is there.
    pub headers: BTreeMap<String, StringMatch>,
    /// The port of the service or gateway that was called.
    #[serde(deserialize_with = "absent::number")]
    pub port: Option<u16>,
    /// Labels of the caller's pod. Not for gateways.
    pub source_labels: BTreeMap<String, String>,
    /// The gateways that this condition is for. It replaces the `gateways` of the spec.
    pub gateways: Vec<String>,
    /// Query parameters by name; `{}` asks only that the parameter is there.
    pub query_params: BTreeMap<String, StringMatch>,
    /// Whether case is ignored in an exact or prefix match of `uri`.
    pub ignore_uri_case: bool,
    /// Headers that must not match; `{}` asks that the header is absent.
    #[serde(deserialize_with = "without_headers")]
    #[schemars(with = "BTreeMap<String, StringMatch>")]
    pub without_headers: BTreeMap<String, StringMatch>,
    /// The namespace of the caller's pod.
    pub source_namespace: String,
    /// A prefix for the names of this route's statistics.
    pub stat_prefix: String,
}

/// Reads `withoutHeaders`. There, and only there, Istio takes the expression `*` for a header that
/// is present.
fn without_headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, StringMatch>, D::Error> {
    let mut headers = BTreeMap::<String, StringMatch>::deserialize(deserializer)?;
    for condition in headers.values_mut() {
        if matches!(condition, StringMatch::Regex(expression) if expression == "*") {
            *condition = StringMatch::Present;
        }
    }
    Ok(headers)
}
