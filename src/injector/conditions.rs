//! The conditions for the injector's readiness.

use pillion_serve::{Condition, Readiness};

use crate::certificates::{WAITS_FOR_CA_BUNDLE, WAITS_FOR_CERTIFICATE};

/// The injector's conditions.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// A serving certificate is loaded.
    pub certificate: Condition,
    /// A configuration is loaded.
    pub configuration: Condition,
    /// The webhook configurations trust the injector's CA.
    pub ca_bundle: Condition,
}

impl Conditions {
    /// Registers the conditions; none of them is met at first.
    pub fn register(readiness: &Readiness) -> Self {
        Self {
            certificate: readiness.register(WAITS_FOR_CERTIFICATE),
            configuration: readiness.register(
                "waiting for a valid configuration in the ConfigMaps; the log and the Events on them say what is wrong",
            ),
            ca_bundle: readiness.register(WAITS_FOR_CA_BUNDLE),
        }
    }
}
