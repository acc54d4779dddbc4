//! The key `mesh`: Istio's MeshConfig, as far as injection reads it.

use minijinja::Value as Context;

use super::proxy_config::ProxyConfig;
use crate::fault::Fault;

/// What injection reads of the mesh's configuration.
#[derive(Debug)]
pub(crate) struct Mesh {
    /// `enablePrometheusMerge`; on unless switched off.
    pub prometheus_merge: bool,
    /// `defaultConfig`.
    pub default_config: ProxyConfig,
    /// Fields that MeshConfig doesn't have.
    pub warnings: Vec<Fault>,
    /// The whole, as templates see it.
    pub context: Context,
}
