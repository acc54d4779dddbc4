//! What a client tells, and is told.

use std::{sync::Arc, time::Duration};

use super::error::SubscribeError;
use crate::Resource;

/// What happened on the stream.
#[derive(Debug)]
pub enum Event {
    /// A stream has begun.
    Connected,
    /// The server sent something, which has to be answered.
    Update(Update),
    /// There is no stream, and what is held stays in force.
    Disconnected {
        /// Why: a text for people, which names the server.
        reason: String,
        /// When the next attempt is made.
        retry: Duration,
    },
    /// A subscription was refused: there are too many names, or one can't be a name.
    Refused {
        /// The type.
        type_url: &'static str,
        /// The name that it ended at. This one and those after it are not subscribed to.
        name: Arc<str>,
        /// Why.
        error: SubscribeError,
    },
}

/// A response of the server. It is answered by [`Client::ack`](super::Client::ack) or
/// [`Client::nack`](super::Client::nack), with its type and nonce; until then, its resources do
/// not count as held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The type of the resources.
    pub type_url: &'static str,
    /// Resources that are new, or not what was held. May be empty: the server answers that
    /// there is nothing.
    pub changed: Vec<Resource>,
    /// Names of resources that are gone, or do not exist.
    pub removed: Vec<Arc<str>>,
    /// What the answer has to cite.
    pub nonce: String,
}

/// A resource that the client can't use, or not as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its name.
    pub name: Arc<str>,
    /// The version that is refused.
    pub version: Arc<str>,
    /// Why, with the path of the field: `filter_chains[0].filters: …`.
    pub reason: String,
    /// Whether the client uses it all the same, but for a part of it: it is held from now on.
    pub is_used: bool,
}
