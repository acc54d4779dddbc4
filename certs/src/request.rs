//! What workloads send to get a certificate.

use x509_parser::{
    oid_registry::{
        OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
        OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, Oid,
    },
    prelude::{FromDer, X509CertificationRequest},
};

use crate::public_key::{Kind, PublicKey};

/// Why a request for a certificate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is longer than [`CertificateRequest::MAX_BYTES`].
    #[error(
        "the certificate request is too long: send at most {} bytes",
        CertificateRequest::MAX_BYTES
    )]
    TooLong,
    /// It is not one PEM block of a certificate request.
    #[error("send one PEM block of the type CERTIFICATE REQUEST")]
    NotPem,
    /// It is not a certificate request in DER.
    #[error("the PEM block holds no PKCS#10 certificate request")]
    NotARequest,
    /// The key is too weak, or of a kind that TLS peers do not take.
    #[error("the key of the certificate request is not accepted: {0}")]
    WeakKey(&'static str),
    /// The signature is of a kind that is not accepted.
    #[error("sign the certificate request with ECDSA or RSA, and SHA-256, SHA-384 or SHA-512")]
    WeakSignature,
    /// The sender does not hold the private key.
    #[error("the signature of the certificate request does not fit its key")]
    BadSignature,
}

/// A request for a certificate (PKCS#10), whose sender holds the private key. Of what it says,
/// only the public key is kept: a certificate's names come from who the sender proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    pub(crate) key: PublicKey,
}

impl CertificateRequest {
    /// The longest request, in bytes of PEM. One with an RSA key of 8192 bits has 3 KiB.
    pub const MAX_BYTES: usize = 16 << 10;

    /// Reads a request from PEM and checks its key and its signature.
    ///
    /// # Errors
    ///
    /// Returns an error if it is no request, or its key is not accepted, or the signature is not
    /// of that key.
    pub fn from_pem(text: &str) -> Result<Self, RequestError> {
        if text.len() > Self::MAX_BYTES {
            return Err(RequestError::TooLong);
        }
        let blocks = pem::parse_many(text).map_err(|_| RequestError::NotPem)?;
        let [block] = blocks.as_slice() else {
            return Err(RequestError::NotPem);
        };
        if !matches!(
            block.tag(),
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"
        ) {
            return Err(RequestError::NotPem);
        }
        let (rest, request) = X509CertificationRequest::from_der(block.contents())
            .map_err(|_| RequestError::NotARequest)?;
        if !rest.is_empty() {
            return Err(RequestError::NotARequest);
        }
        let key = &request.certification_request_info.subject_pki;
        let key = PublicKey::read(key).map_err(RequestError::WeakKey)?;
        let algorithm = &request.signature_algorithm.algorithm;
        if !algorithms(key.kind).contains(algorithm) {
            return Err(RequestError::WeakSignature);
        }
        request
            .verify_signature()
            .map_err(|_| RequestError::BadSignature)?;
        Ok(Self { key })
    }
}

/// The algorithms by which a key of this kind may sign.
fn algorithms(kind: Kind) -> &'static [Oid<'static>] {
    const ECDSA: &[Oid<'static>] = &[OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384];
    const RSA: &[Oid<'static>] = &[
        OID_PKCS1_SHA256WITHRSA,
        OID_PKCS1_SHA384WITHRSA,
        OID_PKCS1_SHA512WITHRSA,
        OID_PKCS1_RSASSAPSS,
    ];
    match kind {
        Kind::Ecdsa => ECDSA,
        Kind::Rsa => RSA,
    }
}
