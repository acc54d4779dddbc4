//! Errors of certificates and keys.

use std::fmt;

use crate::mesh::PeerFault;

/// Why a certificate or a key is invalid.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The PEM text does not contain the required block.
    #[error("the PEM text contains no {0}")]
    Missing(&'static str),
    /// The PEM text is malformed.
    #[error("invalid PEM: {}", shown(.0))]
    Pem(#[from] pem::PemError),
    /// The certificate is malformed.
    #[error("invalid certificate: {}", shown(.0))]
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

/// The longest text that is shown of an error that may repeat what was read, in characters.
const LONGEST: usize = 300;

/// What an error says, bounded and without control characters: it may repeat what was read, and is logged.
fn shown(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let shown = text.chars().map(|one| match one.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => one,
    });
    shown.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use crate::Bundle;

    #[test]
    fn what_was_read_is_shown_bounded_and_without_control_characters() {
        for tag in ["CERT\u{1c}FICATE".to_owned(), "A".repeat(2_000)] {
            let text = format!("-----BEGIN {tag}-----\nAAAA\n-----END CERTIFICATE-----\n");
            let shown = Bundle::from_pem(&text).unwrap_err().to_string();
            assert!(shown.starts_with("invalid PEM: "), "{shown}");
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert!(shown.chars().count() < 400, "{shown}");
        }
    }
}
