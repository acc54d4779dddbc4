//! The public keys that workloads may have.

use x509_parser::{
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    },
    public_key::RSAPublicKey,
    x509::SubjectPublicKeyInfo,
};

use crate::der::{SEQUENCE, bits, element, number};

/// `id-ecPublicKey` on P-256.
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
/// `id-ecPublicKey` on P-384.
const P384: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];
/// `rsaEncryption`.
const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// The kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ecdsa,
    Rsa,
}

/// A workload's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) kind: Kind,
    /// A `SubjectPublicKeyInfo` that was written here: nothing of what a workload sent is in
    /// it but numbers.
    pub(crate) der: Vec<u8>,
}

impl PublicKey {
    /// Takes a key that is strong enough; otherwise it says what is wrong with it. It does not
    /// check that an elliptic curve's point is on the curve, which verifying a signature does.
    pub(crate) fn read(key: &SubjectPublicKeyInfo<'_>) -> Result<Self, &'static str> {
        let algorithm = &key.algorithm.algorithm;
        let bytes: &[u8] = &key.subject_public_key.data;
        if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = key.algorithm.parameters.as_ref();
            let curve = curve.and_then(|curve| curve.as_oid().ok());
            match curve {
                Some(curve) if curve == OID_EC_P256 => Self::on_curve(P256, bytes, 65),
                Some(curve) if curve == OID_NIST_EC_P384 => Self::on_curve(P384, bytes, 97),
                _ => Err("ECDSA keys must be on the curve P-256 or P-384"),
            }
        } else if *algorithm == OID_PKCS1_RSAENCRYPTION {
            Self::rsa(bytes)
        } else {
            Err("keys must be ECDSA on P-256 or P-384, or RSA")
        }
    }

    fn on_curve(curve: &[u8], point: &[u8], length: usize) -> Result<Self, &'static str> {
        // 4 marks an uncompressed point.
        if point.len() != length || point.first() != Some(&4) {
            return Err("ECDSA keys must be uncompressed points");
        }
        Ok(Self {
            kind: Kind::Ecdsa,
            der: element(SEQUENCE, &[curve, &bits(point)]),
        })
    }

    fn rsa(bytes: &[u8]) -> Result<Self, &'static str> {
        use x509_parser::prelude::FromDer;
        let (_, key) = RSAPublicKey::from_der(bytes).map_err(|_| "the RSA key is malformed")?;
        let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
        let modulus = key.modulus.get(zeros..).unwrap_or_default();
        let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
        match modulus.len() * 8 - unused as usize {
            0..2048 => return Err("RSA keys must have at least 2048 bits"),
            2048..=8192 => {}
            _ => return Err("RSA keys must have at most 8192 bits"),
        }
        match key.try_exponent() {
            Ok(exponent) if exponent < 65537 || exponent % 2 == 0 => {
                return Err("the exponent of RSA keys must be odd and at least 65537");
            }
            Ok(exponent) if exponent <= u64::from(u32::MAX) => {}
            _ => return Err("the exponent of RSA keys must have at most 32 bits"),
        }
        let numbers = element(SEQUENCE, &[&number(modulus), &number(key.exponent)]);
        Ok(Self {
            kind: Kind::Rsa,
            der: element(SEQUENCE, &[RSA, &bits(&numbers)]),
        })
    }
}
