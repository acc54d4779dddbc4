//! The private key of a CA.

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData,
    SigningKey,
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use crate::Error;

/// `ecdsa-with-SHA256`.
const ECDSA_SHA256: &[u8] = &[
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];
/// `ecdsa-with-SHA384`.
const ECDSA_SHA384: &[u8] = &[
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03,
];
/// `sha256WithRSAEncryption`.
const RSA_SHA256: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00,
];

/// A CA's private key, and the algorithm by which it signs.
pub(super) struct Signer {
    key: KeyPair,
    /// An `AlgorithmIdentifier`.
    pub(super) algorithm: &'static [u8],
}

impl Signer {
    /// Reads a key from PEM: ECDSA on P-256 or P-384, or RSA with at least 2048 bits.
    pub(super) fn from_pem(text: &str) -> Result<Self, Error> {
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| Error::Missing("private key"))?;
        let key = KeyPair::try_from(&key).map_err(|_| Error::CaKey)?;
        let algorithms = [
            (&PKCS_ECDSA_P256_SHA256, ECDSA_SHA256),
            (&PKCS_ECDSA_P384_SHA384, ECDSA_SHA384),
            (&PKCS_RSA_SHA256, RSA_SHA256),
        ];
        let known = algorithms
            .into_iter()
            .find(|(known, _)| key.algorithm() == *known);
        let (_, algorithm) = known.ok_or(Error::CaKey)?;
        Ok(Self { key, algorithm })
    }

    /// The public key, as it stands in the bit string of a certificate.
    pub(super) fn public_key(&self) -> &[u8] {
        self.key.der_bytes()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.key.sign(message)?)
    }
}
