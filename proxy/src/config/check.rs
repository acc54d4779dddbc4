//! For those who make resources: whether a proxy takes them.

use pillion_certs::Bundle;
use pillion_envoy_api::type_url;

use super::compile::{self, Faults};
use crate::{kind::Kind, tables::Patterns};

/// Compiles a resource as a gateway or a sidecar would.
///
/// # Errors
///
/// The fields that the proxy refuses, and why, even if it uses the rest.
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
    let patterns = Patterns::default();
    let checked = match type_url {
        type_url::LISTENER => compile::listener(kind, &patterns, name, bytes).map(|it| it.faults),
        type_url::ROUTE_CONFIGURATION => {
            compile::route_table(&patterns, name, bytes, None).map(|it| it.faults)
        }
        type_url::CLUSTER => compile::cluster(name, bytes).map(|_| Faults::default()),
        type_url::CLUSTER_LOAD_ASSIGNMENT => {
            compile::assignment(name, bytes).map(|_| Faults::default())
        }
        other => return Err(format!("{other} is not asked for")),
    };
    let faults = checked.unwrap_or_else(Faults::from);
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults.to_string()),
    }
}

/// Reads the roots of the mesh, as the server sends them: a secret, in bytes.
///
/// # Errors
///
/// Why they are refused.
pub fn read_roots(bytes: &[u8]) -> Result<Bundle, String> {
    compile::roots(compile::ROOTS, bytes).map_err(|fault| fault.to_string())
}
