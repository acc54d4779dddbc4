//! The errors, and their exit codes.

use crate::client::ClientError;
use hyper::StatusCode;
use std::io;

/// What ends with one of curl's exit codes.
#[derive(Debug, thiserror::Error)]
pub(super) enum CurlError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}: {1}")]
    File(String, io::Error),
    #[error("the requested URL returned error: {}", .0.as_u16())]
    Failed(StatusCode),
    #[error("more than {0} redirects")]
    Redirects(u32),
}

impl CurlError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::Scheme(_)) => 1,
            Self::Client(ClientError::Url(_)) => 3,
            Self::Client(ClientError::Resolve { .. }) => 6,
            Self::Client(ClientError::Connect { .. }) => 7,
            Self::Failed(_) => 22,
            Self::File(..) => 23,
            Self::Client(ClientError::Timeout(_)) => 28,
            Self::Redirects(_) => 47,
            Self::Client(ClientError::Exchange(error)) if error.is_incomplete_message() => 52,
            Self::Client(ClientError::Exchange(_) | ClientError::TooLarge(_)) => 56,
        }
    }
}
