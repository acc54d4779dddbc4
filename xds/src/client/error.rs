//! What can go wrong between a client and its peers.

use thiserror::Error;

use crate::limits::MAX_NAME_BYTES;

/// Why a name is not subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SubscribeError {
    /// There are too many names of the type.
    #[error("more than {0} names of one type")]
    TooManyNames(usize),
    /// The name is empty or too long.
    #[error("the name is empty or has more than {MAX_NAME_BYTES} bytes")]
    BadName,
}

/// Why a client ends a stream: the server broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A response of a type that the client did not ask for.
    #[error("the server sent the type {0:?}, which was not asked for")]
    NotAskedFor(String),
    /// A response without a nonce, which can't be answered.
    #[error("the server sent a response without a nonce")]
    NoNonce,
    /// Too many responses that were not answered yet.
    #[error("the server sent more responses than may wait for an answer")]
    TooMany,
}
