//! Errors of certificates and keys.

use crate::{mesh::PeerFault, shown::sentence};

/// Why a certificate or a key is invalid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The PEM text does not contain the required block.
    #[error("the PEM text contains no {0}")]
    Missing(&'static str),
    /// The PEM text is malformed.
    #[error("invalid PEM: {}", sentence(.0))]
    Pem(#[from] pem::PemError),
    /// The certificate is malformed.
    #[error("invalid certificate: {}", sentence(.0))]
    Certificate(String),
    /// The key is another certificate's.
    #[error("the private key does not match the certificate")]
    Mismatch,
    /// The key is malformed or of an unsupported kind, or the provider does not support the
    /// TLS versions.
    #[error("not accepted by rustls: {0}")]
    Tls(#[from] rustls::Error),
    /// The certificate is not valid yet.
    #[error("the certificate is not valid before {0}")]
    NotYet(time::OffsetDateTime),
    /// The certificate has expired.
    #[error("the certificate expired at {0}")]
    Ended(time::OffsetDateTime),
    /// API servers would not accept the certificate.
    #[error("API servers would not accept the certificate: {0}")]
    Unacceptable(rustls::Error),
    /// The text is not a workload's identity.
    #[error("not an identity like spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT: {0}")]
    Spiffe(String),
    /// The certificate is not a workload's.
    #[error("not the certificate of a workload: {0}")]
    Workload(String),
    /// A CA's certificates can't be used to issue others.
    #[error("the CA's certificates can't be used: {0}")]
    Chain(&'static str),
    /// Peers would not accept what a CA issues.
    #[error("{by} would refuse what the CA issues: {fault}")]
    Refused {
        /// Which end of a connection.
        by: &'static str,
        /// Why.
        fault: PeerFault,
    },
    /// A CA's key is of a kind that can't be used.
    #[error("the CA's key must be ECDSA on P-256 or P-384, or RSA with at least 2048 bits")]
    CaKey,
    /// A certificate can't be issued.
    #[error("cannot issue a certificate: {0}")]
    Issue(#[from] rcgen::Error),
}
