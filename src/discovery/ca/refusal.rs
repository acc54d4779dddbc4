//! Why somebody gets no certificate.

use std::time::Duration;

use pillion_certs::{Error, RequestError, SpiffeId, Unproven};
use tonic::{Code, Status};

use super::rates::{BURST, EVERY};
use crate::discovery::{identity, metrics::Reason};

/// Why somebody gets no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "nothing proves who asks: send \"authorization: Bearer TOKEN\" with a service-account token, or present a \
         certificate of the mesh"
    )]
    NoProof,
    #[error(transparent)]
    Token(identity::Refusal),
    #[error("{0}; present a service-account token")]
    Certificate(Unproven),
    #[error("no pod of {0} is known; present a service-account token")]
    NoPod(SpiffeId),
    #[error(
        "not all pods are known yet, and a certificate counts only while its account has one; try again"
    )]
    NotListed,
    #[error("the account can't have an identity: {0}")]
    Identity(Error),
    #[error(
        "this workload asks for too many certificates: {BURST} at once, and then one every {} s; try again in {} s",
        EVERY.as_secs(), .0.as_secs() + 1
    )]
    TooOften(Duration),
    #[error("too many requests are waiting for a certificate; try again")]
    Crowded,
    #[error("there was no time to answer; try again")]
    Late,
    #[error("the mesh's CA can't sign yet; try again")]
    NoAuthority,
    #[error("the request can't be read: {0}")]
    Malformed(String),
    #[error("the certificate signing request is refused: {0}")]
    Request(#[from] RequestError),
    #[error("the certificate can't be signed: {0}")]
    Signing(Error),
    #[error("the request failed, and the log says why")]
    Failed,
}

impl Refusal {
    /// What is counted.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoProof => Reason::NoProof,
            Self::Token(identity::Refusal::Unavailable) | Self::NotListed => Reason::Unavailable,
            Self::Token(_) => Reason::Token,
            Self::Certificate(_) | Self::NoPod(_) => Reason::Certificate,
            Self::Identity(_) => Reason::Identity,
            Self::TooOften(_) => Reason::TooOften,
            Self::Crowded | Self::Late => Reason::Crowded,
            Self::NoAuthority | Self::Signing(Error::Ended(_) | Error::NotYet(_)) => {
                Reason::NoAuthority
            }
            Self::Malformed(_) | Self::Request(_) => Reason::Request,
            Self::Signing(_) | Self::Failed => Reason::Failed,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Token(identity::Refusal::Unavailable)
            | Self::NotListed
            | Self::Crowded
            | Self::Late
            | Self::NoAuthority
            | Self::Signing(Error::Ended(_) | Error::NotYet(_)) => Code::Unavailable,
            Self::NoProof | Self::Token(_) | Self::Certificate(_) | Self::NoPod(_) => {
                Code::Unauthenticated
            }
            Self::Identity(_) => Code::PermissionDenied,
            Self::TooOften(_) => Code::ResourceExhausted,
            Self::Malformed(_) | Self::Request(_) => Code::InvalidArgument,
            Self::Signing(_) | Self::Failed => Code::Internal,
        }
    }

    /// What the caller is told.
    pub fn status(&self) -> Status {
        Status::new(self.code(), self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_when_to_try_again() {
        let status = Refusal::TooOften(Duration::from_millis(1500)).status();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().ends_with("try again in 2 s"), "{status:?}");
    }

    #[test]
    fn who_is_not_believed_is_told_so() {
        let status = Refusal::Certificate(Unproven::Uris(2)).status();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(status.message().contains("2 URIs"), "{status:?}");
        let id = SpiffeId::new("td", "shop", "web").unwrap();
        let gone = Refusal::NoPod(id).status();
        assert_eq!(gone.code(), Code::Unauthenticated);
        assert_eq!(Refusal::NotListed.status().code(), Code::Unavailable);
        let later = Refusal::Token(identity::Refusal::Unavailable);
        assert_eq!(later.status().code(), Code::Unavailable);
    }
}
