//! Who wants to know what clients make of their resources.

use std::sync::Arc;

use pillion_envoy_api::google::rpc::Status;

use crate::limits::{MAX_REFUSAL_BYTES, shorten};

/// Returns the version of a resource of one type that a stream sent last, or that the client said it
/// holds, if that is the present one; `None` if there is none, or the client claims another one.
pub type SentVersions<'a> = &'a dyn Fn(&str) -> Option<Arc<str>>;

/// What happens on a stream, for metrics, Events and `proxy-status`. The methods must not
/// block; by default, they do nothing.
pub trait Observer: Send + Sync {
    /// A response was sent, with this many resources and removed names.
    fn sent(&self, type_url: &str, nonce: &str, resources: usize, removed: usize) {
        let _ = (type_url, nonce, resources, removed);
    }

    /// The client accepted a response.
    fn acked(&self, type_url: &str, nonce: &str) {
        let _ = (type_url, nonce);
    }

    /// The client refused a response, in part or whole, and said why: at most 4 KiB of text
    /// from outside. `sent` tells which versions it means where it names none.
    fn nacked(&self, type_url: &str, nonce: &str, message: &str, sent: SentVersions<'_>) {
        let _ = (type_url, nonce, message, sent);
    }

    /// The client said that it holds the present versions of all that it has asked for of a type:
    /// nothing of it was sent so far. It may be told more than once.
    fn resumed(&self, type_url: &str) {
        let _ = type_url;
    }

    /// Whether there is room for the stream in the memory that all streams may take, now that it
    /// takes about this many bytes for names that the snapshot does not have: what the others take is
    /// as much as the server chose to have. Without, it ends. A stream that has ended takes
    /// nothing, and says so.
    fn has_room(&self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }

    /// A resource is larger than clients accept, by its size in bytes, and was not sent.
    fn withheld(&self, type_url: &str, name: &str, bytes: usize) {
        let _ = (type_url, name, bytes);
    }
}

/// An observer that sees nothing.
impl Observer for () {}

/// What a client replied to a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The response's type.
    pub type_url: String,
    /// The response's nonce.
    pub nonce: String,
    /// Why the client refused it, if it did.
    pub refusal: Option<String>,
}

impl Reply {
    /// What a request replies to the response that it cites.
    pub(super) fn new(type_url: &str, nonce: String, error: Option<&Status>) -> Self {
        Self {
            type_url: type_url.to_owned(),
            nonce,
            refusal: error.map(|error| shorten(&error.message, MAX_REFUSAL_BYTES).to_owned()),
        }
    }

    /// Tells an observer.
    pub(super) fn tell(&self, observer: &dyn Observer, sent: SentVersions<'_>) {
        match &self.refusal {
            None => observer.acked(&self.type_url, &self.nonce),
            Some(message) => observer.nacked(&self.type_url, &self.nonce, message, sent),
        }
    }
}
