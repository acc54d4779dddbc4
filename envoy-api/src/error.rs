//! Why a message can't be read.

use thiserror::Error;

/// Why a message can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The type is none of this crate's.
    #[error("no message of the type {0:?} is known")]
    UnknownType(String),
    /// The message has another type than the one that was asked for.
    #[error("expected the type {expected:?}, found {found:?}")]
    OtherType {
        /// The type that was asked for.
        expected: &'static str,
        /// The type that the message has.
        found: String,
    },
    /// The bytes are not a message of their type.
    #[error("not a valid {type_url}: {reason}")]
    Malformed {
        /// The type that they should have.
        type_url: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The message is larger than this crate reads.
    #[error("a message of {size} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The most that is read, in bytes.
        limit: usize,
    },
}
