//! For those who make resources: whether a proxy takes them.

use pillion_envoy_api::type_url;

use super::{compile, kind::Kind};

/// Compiles a resource as a gateway or a sidecar would.
///
/// # Errors
///
/// The field that the proxy refuses, and why.
pub fn check_resource(
    is_gateway: bool,
    type_url: &str,
    name: &str,
    bytes: &[u8],
) -> Result<(), String> {
    let kind = match is_gateway {
        true => Kind::Gateway,
        false => Kind::Sidecar,
    };
    let checked = match type_url {
        type_url::LISTENER => compile::listener(kind, name, bytes).map(drop),
        type_url::ROUTE_CONFIGURATION => compile::route_table(name, bytes).map(drop),
        type_url::CLUSTER => compile::cluster(name, bytes).map(drop),
        type_url::CLUSTER_LOAD_ASSIGNMENT => compile::assignment(name, bytes).map(drop),
        other => return Err(format!("{other} is not asked for")),
    };
    checked.map_err(|fault| fault.to_string())
}
