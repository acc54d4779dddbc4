//! What is known of a token.

use std::{sync::Arc, time::Duration};

use crate::model::Key;

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::discovery) struct Identity {
    /// The pod.
    pub pod: Key,
    /// Its `metadata.uid`. `None` if any pod of that name will do, which is so without TLS.
    pub uid: Option<Arc<str>>,
    /// Its service account; empty if no token was asked for.
    pub account: Arc<str>,
    /// How long the token is good for, from when it was checked.
    pub lasts: Duration,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::discovery) enum Refusal {
    /// There is none, or it has no form of a token.
    #[error("no service-account token: send \"authorization: Bearer TOKEN\"")]
    NoToken,
    /// The API server does not accept it.
    #[error("the API server does not accept the token: {0}")]
    Rejected(String),
    /// It is accepted, and is no pod's.
    #[error("the token is not bound to a pod")]
    NoPod,
    /// The API server can't be asked.
    #[error("the token can't be checked now; try again")]
    Unavailable,
}
