//! What the tasks of the role share.

use std::sync::Arc;

use pillion_serve::Readiness;

use super::conditions::Conditions;
use crate::{certificates::Owner, metrics::Metrics, webhook::ActiveConfig};

/// The name that Events are published in.
pub(super) const CONTROLLER: &str = "pillion-injector";

/// What the tasks of the role share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) active_config: Arc<ActiveConfig>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) conditions: Conditions,
    pub(super) metrics: Arc<Metrics>,
}

impl Shared {
    pub(super) fn new() -> Self {
        let readiness = Arc::<Readiness>::default();
        Self {
            active_config: Arc::default(),
            conditions: Conditions::register(&readiness),
            readiness,
            metrics: Arc::default(),
        }
    }

    /// The injector as the owner of its certificates.
    pub(super) fn owner(&self) -> Owner {
        Owner {
            name: "injector",
            controller: CONTROLLER,
            certificate: self.conditions.certificate.clone(),
            ca_bundle: self.conditions.ca_bundle.clone(),
            metrics: self.metrics.certificates().clone(),
        }
    }
}
