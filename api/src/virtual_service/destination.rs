//! Where a route leads.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::absent;

/// A service that traffic is sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// The service's name. A name without a dot is in the rule's namespace.
    pub host: String,
    /// A subset that a DestinationRule for the host defines.
    #[serde(deserialize_with = "absent::text")]
    pub subset: Option<String>,
    /// The service's port; it may be left out where the service has one, and in HTTP routes
    /// of sidecars, where the port that was called is meant.
    pub port: Option<PortSelector>,
}

/// A port by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PortSelector {
    /// The port's number.
    pub number: u16,
}
