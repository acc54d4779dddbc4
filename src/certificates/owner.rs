//! The role that serves a certificate.

use pillion_serve::Condition;

use crate::metrics::CertificateMetrics;

/// What is waited for until a certificate is served.
pub(crate) const WAITS_FOR_CERTIFICATE: &str =
    "waiting for a serving certificate; if there is one, the log says why it is invalid";
/// What is waited for while the Secret is missing.
const WAITS_FOR_SECRET: &str = "waiting for the certificates' Secret, which is missing and which this process may not create: \
                                create it again with helm upgrade, or empty with kubectl create secret generic; the log has its name";
/// What is waited for while no peer trusts the root of the next CA yet.
const WAITS_FOR_ROOT: &str = "waiting until every namespace has had the root of the next CA for --ca-overlap, or the CA in \
                              force is plugged in again: the Secret with the plugged CA was replaced or deleted";
/// What is waited for until API servers trust the certificate.
pub(crate) const WAITS_FOR_CA_BUNDLE: &str =
    "waiting for the caBundle of the webhook configuration";

/// What the tasks of this module know of the role that they work for.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    /// The role's name in messages, such as `injector`.
    pub name: &'static str,
    /// The name that its Events are published in, such as `pillion-injector`.
    pub controller: &'static str,
    /// A serving certificate is loaded.
    pub certificate: Condition,
    /// The webhook configurations trust its CA.
    pub ca_bundle: Condition,
    /// Counts what is loaded and refused.
    pub metrics: CertificateMetrics,
}

impl Owner {
    /// Sets whether the certificates' Secret is missing and the role may not create it; the
    /// condition `certificate` then says so.
    pub fn secret_is_missing(&self, missing: bool) {
        let waits_for = if missing {
            WAITS_FOR_SECRET
        } else {
            WAITS_FOR_CERTIFICATE
        };
        self.certificate.set_waits_for(waits_for);
    }

    /// Says by the condition `certificate` that a root has to be trusted first.
    pub fn root_is_not_trusted(&self) {
        self.certificate.set_waits_for(WAITS_FOR_ROOT);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use pillion_serve::Readiness;

    use super::*;

    /// An owner, whose conditions don't hold yet.
    pub fn owner(readiness: &Readiness) -> Owner {
        Owner {
            name: "injector",
            controller: "pillion-injector",
            certificate: readiness.register(WAITS_FOR_CERTIFICATE),
            ca_bundle: readiness.register(WAITS_FOR_CA_BUNDLE),
            metrics: CertificateMetrics::default(),
        }
    }

    #[test]
    fn says_how_to_create_a_missing_secret() {
        let readiness = Readiness::default();
        let owner = owner(&readiness);
        owner.ca_bundle.set(true);
        owner.certificate.set(true);
        owner.secret_is_missing(true);
        assert!(readiness.missing().is_empty(), "what is served is good");
        owner.certificate.set(false);
        assert!(readiness.missing()[0].contains("helm upgrade"));
        owner.secret_is_missing(false);
        assert!(!readiness.missing()[0].contains("helm upgrade"));
    }
}
