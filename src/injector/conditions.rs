//! The conditions for the injector's readiness.

use pillion_serve::{Condition, Readiness};

const CERTIFICATE: &str =
    "waiting for a serving certificate; if there is one, the log says why it is invalid";

const MISSING_SECRET: &str = "waiting for the certificates' Secret, which is missing and which the injector may not create: \
                              create it again with helm upgrade, or empty with kubectl create secret generic; the log has its name";

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
            certificate: readiness.register(CERTIFICATE),
            configuration: readiness.register(
                "waiting for a valid configuration in the ConfigMaps; the log and the Events on them say what is wrong",
            ),
            ca_bundle: readiness
                .register("waiting for the caBundle of the MutatingWebhookConfiguration"),
        }
    }

    /// Sets whether the certificates' Secret is missing and the injector may not create it;
    /// the condition `certificate` then says so.
    pub fn secret_is_missing(&self, missing: bool) {
        let waits_for = if missing { MISSING_SECRET } else { CERTIFICATE };
        self.certificate.set_waits_for(waits_for);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_to_create_a_missing_secret() {
        let readiness = Readiness::default();
        let conditions = Conditions::register(&readiness);
        assert_eq!(readiness.missing().len(), 3);
        conditions.configuration.set(true);
        conditions.ca_bundle.set(true);
        conditions.certificate.set(true);
        conditions.secret_is_missing(true);
        assert!(readiness.missing().is_empty(), "what is served is good");
        conditions.certificate.set(false);
        assert!(readiness.missing()[0].contains("helm upgrade"));
        conditions.secret_is_missing(false);
        assert!(!readiness.missing()[0].contains("helm upgrade"));
    }
}
