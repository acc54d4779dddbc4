//! Why the other end is refused.

use std::{io, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible,
};
use time::OffsetDateTime;

use crate::chain::ChainFault;

/// The most names of a list that are shown.
const MOST: usize = 4;

/// Why the other end of a connection is refused, in words for operators. Names in it that come
/// from a certificate are bounded and have no control characters, but nothing says that they are
/// true: a certificate that is refused may say anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// The certificate, or one of a CA above it, has expired.
    #[error(
        "the certificate of {peer} or of a CA above it expired at {since}: \
         check the peer's renewal and both clocks"
    )]
    Expired {
        /// Who the certificate says that it belongs to.
        peer: String,
        /// When it expired.
        since: OffsetDateTime,
    },
    /// The certificate, or one of a CA above it, is not valid yet.
    #[error(
        "the certificate of {peer} or of a CA above it is not valid before {until}: \
         check both clocks"
    )]
    NotYetValid {
        /// Who the certificate says that it belongs to.
        peer: String,
        /// When it will be valid.
        until: OffsetDateTime,
    },
    /// No root that is trusted stands behind the certificate.
    #[error(
        "the certificate of {peer} is issued by {issuer}, behind which no trusted root stands: \
         check that both ends have their roots from the same CA"
    )]
    UnknownIssuer {
        /// Who the certificate says that it belongs to.
        peer: String,
        /// By whom it says that it was issued.
        issuer: String,
    },
    /// The identity is of a trust domain that is not accepted.
    #[error(
        "{found} is of another trust domain than {}: add it to trustDomainAliases if it is \
         to be accepted",
        trusted.join(", ")
    )]
    ForeignTrustDomain {
        /// The identity.
        found: String,
        /// The first of the trust domains that are accepted, and how many more there are.
        trusted: Vec<String>,
    },
    /// The certificate has no URI.
    #[error("the certificate of {peer} has no URI, which a workload's must have")]
    NoUri {
        /// The certificate's subject.
        peer: String,
    },
    /// The certificate has several URIs.
    #[error(
        "the certificate has several URIs, and a workload's must have one: {}",
        found.join(", ")
    )]
    SeveralUris {
        /// The first of the URIs, and how many more there are.
        found: Vec<String>,
    },
    /// The URI is not a workload's identity.
    #[error(
        "the certificate's URI is not like \
         spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT: {found}"
    )]
    NotSpiffe {
        /// The URI.
        found: String,
    },
    /// The identity is not one of those that are expected here.
    #[error(
        "the peer is {found}, which is none of those expected here: {}; does its pod belong to \
         this service, and run as one of the service's accounts?",
        expected.join(", ")
    )]
    WrongName {
        /// The first of the names that are expected, and how many more there are.
        expected: Vec<String>,
        /// The identity.
        found: String,
    },
    /// A server outside the mesh has another name than is expected.
    #[error(
        "the server's certificate is for {}, and not for {}: check sni and subjectAltNames of the \
         DestinationRule",
        if found.is_empty() { "no name at all".to_owned() } else { found.join(", ") },
        expected.join(", ")
    )]
    OtherServer {
        /// The first of the names that are expected, and how many more there are.
        expected: Vec<String>,
        /// The same of the certificate's.
        found: Vec<String>,
    },
    /// The peer shows no certificate.
    #[error("the peer has no certificate: mutual TLS is required here")]
    NoCertificate,
    /// The certificate can't be read.
    #[error("the peer's certificate is malformed: {0}")]
    Malformed(&'static str),
    /// The certificate is not for this use.
    #[error("the certificate of {peer} is not acceptable: {reason}")]
    Unacceptable {
        /// Who the certificate says that it belongs to.
        peer: String,
        /// What rustls says.
        reason: String,
    },
    /// The peer does not prove that it holds the certificate's key.
    #[error("the peer does not hold the key of its certificate")]
    NoProof,
    /// The peer does not speak TLS.
    #[error("the peer does not speak TLS, which is required here")]
    Plaintext,
    /// The peer speaks only old versions of TLS.
    #[error("the peer speaks no TLS newer than 1.1: at least 1.2 is required")]
    OldTls,
    /// The peer refused this end.
    #[error(
        "the peer refused this workload or its certificate (TLS alert {0:?}): the peer's log \
         says why"
    )]
    Refused(AlertDescription),
}

impl From<ChainFault> for PeerFault {
    fn from(ChainFault(fault): ChainFault) -> Self {
        Self::Malformed(fault)
    }
}

impl PeerFault {
    /// What a failed handshake says about the other end, unless it failed for another reason.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
                return other.downcast_ref::<Self>().cloned();
            }
            Error::InvalidCertificate(CertificateError::BadSignature) => Self::NoProof,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::Plaintext,
            Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered
                // Before the version, rustls misses an extension that came with TLS 1.2.
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::OldTls,
            Error::AlertReceived(alert) if is_about_certificates(*alert) => Self::Refused(*alert),
            _ => return None,
        })
    }

    /// The same for an error of a stream that speaks TLS.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Option<Self> {
        Self::of(error.get_ref()?.downcast_ref::<Error>()?)
    }

    /// A short name of the kind, for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::UnknownIssuer { .. } => "unknown_issuer",
            Self::ForeignTrustDomain { .. } => "foreign_trust_domain",
            Self::NoUri { .. } => "no_uri",
            Self::SeveralUris { .. } => "several_uris",
            Self::NotSpiffe { .. } => "not_spiffe",
            Self::WrongName { .. } | Self::OtherServer { .. } => "wrong_name",
            Self::NoCertificate => "no_certificate",
            Self::Malformed(_) => "malformed",
            Self::Unacceptable { .. } => "unacceptable",
            Self::NoProof => "no_proof",
            Self::Plaintext => "plaintext",
            Self::OldTls => "old_tls",
            Self::Refused(_) => "refused",
        }
    }
}

impl From<PeerFault> for Error {
    fn from(fault: PeerFault) -> Self {
        CertificateError::Other(OtherError(Arc::new(fault))).into()
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
    )
}

/// The first of some names, and in their place how many more there are.
pub(super) fn few(names: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = names.len().saturating_sub(MOST);
    let mut few: Vec<_> = names.take(MOST).collect();
    if more > 0 {
        few.push(format!("and {more} more"));
    }
    few
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_few_names_of_many() {
        let names = |count: usize| (0..count).map(|number| number.to_string());
        assert_eq!(few(names(2)), ["0", "1"]);
        assert_eq!(few(names(9)), ["0", "1", "2", "3", "and 5 more"]);
    }

    #[test]
    fn is_nothing_where_the_peer_is_not_at_fault() {
        assert_eq!(PeerFault::of(&Error::HandshakeNotComplete), None);
        let closed = Error::AlertReceived(AlertDescription::InternalError);
        assert_eq!(PeerFault::of(&closed), None);
        assert_eq!(
            PeerFault::of_io(&io::ErrorKind::ConnectionReset.into()),
            None
        );
        let plain = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let stream = io::Error::new(io::ErrorKind::InvalidData, plain);
        assert_eq!(PeerFault::of_io(&stream), Some(PeerFault::Plaintext));
    }
}
