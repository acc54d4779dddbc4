//! The kinds of resources, as `proxy-status` names them.

use pillion_envoy_api::type_url;

/// The kinds in the order of the table's columns.
pub(crate) const KINDS: [&str; 4] = ["CDS", "LDS", "EDS", "RDS"];

/// The kind of a type, of a bounded set: URLs come from outside.
pub(super) fn kind_of(type_url: &str) -> Option<&'static str> {
    match type_url {
        type_url::CLUSTER => Some("CDS"),
        type_url::LISTENER => Some("LDS"),
        type_url::CLUSTER_LOAD_ASSIGNMENT => Some("EDS"),
        type_url::ROUTE_CONFIGURATION => Some("RDS"),
        type_url::SECRET => Some("SDS"),
        _ => None,
    }
}
