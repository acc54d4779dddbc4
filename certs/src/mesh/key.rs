//! The private keys of workloads.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::Error;

/// A workload's private key (ECDSA on P-256). It can't be written to anywhere: it leaves this
/// process neither on disk nor by the network.
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

    pub(super) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der()).into()
    }
}
