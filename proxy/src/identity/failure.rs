//! Why there is no new certificate.

use std::time::Duration;

use pillion_certs::Error;
use pillion_xds::{client::ConnectError, limits::shorten};
use tonic::{Code, Status};

use super::answer::Unusable;

/// The longest text of a status that is shown.
const MAX_TEXT: usize = 500;

/// Why a try has given no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("its CA answers {:?}: {}", .0.code(), shorten(.0.message(), MAX_TEXT))]
    Status(Box<Status>),
    #[error("the answer of its CA is of no use: {0}")]
    Unusable(#[from] Unusable),
    #[error("this proxy can't make a key and a request: {0}")]
    Key(Error),
}

/// What is the same of failures that are told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Away,
    Refused(Code),
    Unusable,
}

impl Failure {
    /// What sort of failure it is.
    pub fn sort(&self) -> Sort {
        match self {
            Self::Connect(_) | Self::Silent(_) => Sort::Away,
            Self::Status(status) => match status.code() {
                // The connection broke, or the server says that it can't yet.
                Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
                    Sort::Away
                }
                // It is longer than the longest that is read.
                Code::OutOfRange => Sort::Unusable,
                code => Sort::Refused(code),
            },
            Self::Unusable(_) | Self::Key(_) => Sort::Unusable,
        }
    }

    /// What to do about it, where the failure itself does not say it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::ReadToken(_)) => {
                "; the volume istio-token has to be mounted at /var/run/secrets/tokens"
            }
            Self::Connect(ConnectError::ReadRoots(_) | ConnectError::Roots(_)) => {
                "; the ConfigMap of roots has to be mounted at /var/run/secrets/istio, and discovery writes it into each namespace"
            }
            Self::Status(status) => match status.code() {
                Code::Unauthenticated => {
                    "; see whether the pod and its service account still exist, and whether the token in /var/run/secrets/tokens is for the audience istio-ca; the log of discovery has the reason"
                }
                Code::PermissionDenied => {
                    "; this pod may not have the identity that it asks for: the log of discovery has the reason"
                }
                Code::ResourceExhausted => {
                    "; too many certificates are asked for: see in the log of discovery whether pods of this service account restart over and over"
                }
                Code::Unimplemented => {
                    "; the control plane issues no certificates: update it, if it is older than this proxy"
                }
                _ => "",
            },
            _ => "",
        }
    }
}
