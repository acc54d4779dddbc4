//! DestinationRules.

use std::sync::Arc;

use pillion_api::{DestinationRuleSpec, Subset, TrafficPolicy};

use crate::model::{
    names::resolve_host,
    objects::{ExportTo, Meta, Object},
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
    pub fn new(object: &Object<DestinationRuleSpec>, domain: &str) -> Self {
        let spec = &object.spec;
        let namespace = &object.meta.key.namespace;
        Self {
            meta: object.meta.clone(),
            host: resolve_host(&spec.host, namespace, domain),
            export_to: ExportTo::parse(spec.export_to.iter().map(String::as_str), namespace),
            policy: spec.traffic_policy.clone(),
            subsets: spec.subsets.clone(),
        }
    }
}
