//! DestinationRules.

use std::sync::Arc;

use pillion_api::{DestinationRuleSpec, Subset, TrafficPolicy};

use crate::model::{
    names::resolve_host,
    objects::{ExportTo, MeshConfig, Meta, Object},
};

/// A DestinationRule.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct DestinationRule {
    /// Its name and age.
    pub meta: Meta,
    /// The full host, in lower case, or a wildcard.
    pub host: Arc<str>,
    /// For whose clients it is.
    pub export_to: ExportTo,
    /// The policy.
    pub policy: Option<TrafficPolicy>,
    /// The subsets.
    pub subsets: Vec<Subset>,
}

impl DestinationRule {
    /// Reads an object.
    pub fn new(object: &Object<DestinationRuleSpec>, mesh: &MeshConfig) -> Self {
        let spec = &object.spec;
        let namespace = &object.meta.key.namespace;
        Self {
            meta: object.meta.clone(),
            host: resolve_host(&spec.host, namespace, &mesh.domain),
            export_to: ExportTo::of(&spec.export_to, &mesh.exports.destination_rules, namespace),
            policy: spec.traffic_policy.clone(),
            subsets: spec.subsets.clone(),
        }
    }
}
