//! Why a server ends a stream.

use thiserror::Error;
use tonic::{Code, Status};

use crate::limits::{MAX_CLAIMS, MAX_NAME_BYTES, MAX_STREAM_BYTES, MAX_TYPE_BYTES, max_names};

/// Why a server ends a stream: the client did what the protocol or a limit forbids.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamError {
    /// A request without a type, which an aggregated stream needs.
    #[error("a request names no type_url")]
    NoType,
    /// A type whose URL is too long.
    #[error("a type_url has more than {MAX_TYPE_BYTES} bytes")]
    LongType,
    /// A type of which the server has nothing, for anybody.
    #[error("this server has no resources of the type {0:?}")]
    UnknownType(String),
    /// The names of all types take too much memory.
    #[error("the names that the stream subscribes to take more than {MAX_STREAM_BYTES} bytes")]
    TooMuch,
    /// Too many names of a type.
    #[error("the stream subscribes to more than {} names of {type_url}", max_names(.type_url))]
    TooManyNames {
        /// The type.
        type_url: String,
    },
    /// A name that is empty or too long.
    #[error("a name of {type_url} is empty or has more than {MAX_NAME_BYTES} bytes")]
    BadName {
        /// The type.
        type_url: String,
    },
    /// The client says that it holds too much.
    #[error("initial_resource_versions of {type_url} has more than {MAX_CLAIMS} resources")]
    TooManyClaims {
        /// The type.
        type_url: String,
    },
}

impl From<StreamError> for Status {
    fn from(error: StreamError) -> Self {
        let code = match error {
            StreamError::NoType
            | StreamError::LongType
            | StreamError::UnknownType(_)
            | StreamError::BadName { .. } => Code::InvalidArgument,
            StreamError::TooMuch
            | StreamError::TooManyNames { .. }
            | StreamError::TooManyClaims { .. } => Code::ResourceExhausted,
        };
        Self::new(code, error.to_string())
    }
}
