//! The private keys of workloads.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::Error;

/// A workload's private key (ECDSA on P-256). It is never written to disk or sent over the
/// network. One method gives it to another process: [`to_pem_for_envoy`](Self::to_pem_for_envoy).
pub struct WorkloadKey(KeyPair);

impl std::fmt::Debug for WorkloadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorkloadKey")
    }
}

impl WorkloadKey {
    /// Generates a key.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(KeyPair::generate()?))
    }

    /// Returns a request for a certificate with this key, in PEM. It has no names: the CA gives
    /// the certificate the identity that the workload proves.
    ///
    /// # Errors
    ///
    /// Returns an error if signing fails.
    pub fn request(&self) -> Result<String, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&self.0)?.pem()?)
    }

    /// Returns the key in PEM (PKCS#8). Only an Envoy that the agent runs may be given it: Envoy asks for the key
    /// on a socket that only the proxy's user may open, and keeps it in memory.
    #[must_use]
    pub fn to_pem_for_envoy(&self) -> String {
        self.0.serialize_pem()
    }

    pub(super) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CertificateRequest;

    #[test]
    fn asks_with_a_request_that_is_accepted() {
        let key = WorkloadKey::generate().unwrap();
        assert!(CertificateRequest::from_pem(&key.request().unwrap()).is_ok());
    }

    #[test]
    fn an_envoy_is_given_the_same_key() {
        let key = WorkloadKey::generate().unwrap();
        let given = KeyPair::from_pem(&key.to_pem_for_envoy()).unwrap();
        assert_eq!(given.serialize_der(), key.0.serialize_der());
    }

    #[test]
    fn does_not_show_itself() {
        let key = WorkloadKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "WorkloadKey");
    }
}
