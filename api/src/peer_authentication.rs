//! `PeerAuthentication`: whether pods take connections by mutual TLS, in plain text, or both.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::WorkloadSelector;

/// The spec of a `PeerAuthentication`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerAuthenticationSpec {
    /// The pods of this namespace that it is for. Default: all of them, and in the mesh's root
    /// namespace those of all namespaces.
    pub selector: Option<WorkloadSelector>,
    /// What the pods' ports take. What is not set is as in the PeerAuthentication of the namespace,
    /// or else of the root namespace, or else PERMISSIVE.
    pub mtls: Option<MutualTls>,
    /// What single ports of the pods take, by their numbers. Those are the ports on which the
    /// application listens, not those of a Service. It needs a selector.
    pub port_level_mtls: BTreeMap<String, MutualTls>,
}

/// What a port takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MutualTls {
    /// Mutual TLS, plain text, or both.
    pub mode: MutualTlsMode,
}

/// What a port takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MutualTlsMode {
    /// As the next wider scope says.
    #[default]
    Unset,
    /// Plain text: the proxy does not end the mesh's TLS.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS only.
    Strict,
}
