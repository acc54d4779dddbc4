//! Telemetries.

use pillion_api::{TelemetrySpec, Tracing};

use crate::model::objects::{Labels, Meta, Object};

/// A Telemetry.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct Telemetry {
    /// Its name and age.
    pub meta: Meta,
    /// The labels of its pods; none: all pods of the namespace.
    pub selector: Labels,
    /// How requests are traced. Later elements win.
    pub tracing: Vec<Tracing>,
}

impl Telemetry {
    /// Reads an object.
    pub fn new(object: &Object<TelemetrySpec>) -> Self {
        let selector = object.spec.selector.clone().unwrap_or_default();
        Self {
            meta: object.meta.clone(),
            selector: selector.match_labels.into_iter().collect(),
            tracing: object.spec.tracing.clone(),
        }
    }
}
