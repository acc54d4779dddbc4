//! What the debug port says about proxies. `pillion proxy-status` reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use super::kind::KINDS;

/// The path on the debug port.
pub(crate) const PATH: &str = "/debug/syncz";

/// A proxy's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProxyReport {
    /// The pod that its token is bound to: `NAME.NAMESPACE`.
    pub proxy: String,
    /// The address that it connects from.
    pub address: String,
    /// What the proxy says of its version; may be empty.
    #[serde(default)]
    pub version: String,
    /// The replica that it is connected to; the command fills it in.
    #[serde(default)]
    pub replica: String,
    /// The revision of that replica; the command fills it in.
    #[serde(default)]
    pub revision: String,
    /// Since when, as RFC 3339.
    pub connected: String,
    /// By kind: CDS, LDS, EDS, RDS.
    pub kinds: BTreeMap<String, KindReport>,
}

/// How a proxy stands with one kind of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KindReport {
    /// Whether it has what it should have.
    pub state: State,
    /// The nonce of the last response.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sent: String,
    /// The nonce of the last response that the proxy replied to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answered: String,
    /// How many resources the last response had; 0 if none was necessary.
    #[serde(default)]
    pub resources: usize,
    /// Why the proxy refuses something, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The rules that what it refuses was made of: `KIND NAMESPACE/NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum State {
    /// The proxy has accepted all that was sent, or had the present versions when it connected again.
    #[serde(rename = "SYNCED")]
    Synced,
    /// The proxy has not replied to the last response yet.
    #[serde(rename = "STALE")]
    Stale,
    /// The proxy refuses something, and keeps what it had of that.
    #[serde(rename = "NACK")]
    Nack,
    /// Nothing was sent: the proxy has not asked, or not been answered yet.
    #[serde(rename = "NOT SENT")]
    NotSent,
}

impl State {
    /// As tables have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Synced => "SYNCED",
            Self::Stale => "STALE",
            Self::Nack => "NACK",
            Self::NotSent => "NOT SENT",
        }
    }
}
