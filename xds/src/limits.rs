//! The limits of a stream, at both ends.

use pillion_envoy_api::type_url;

/// The most names of most types that a stream may subscribe to, apart from the wildcard.
pub const MAX_NAMES: usize = 8_192;

/// The most assignments that a stream may subscribe to: one for each cluster of a large mesh.
pub const MAX_ASSIGNMENTS: usize = 131_072;

/// The most route configurations that a stream may subscribe to: one for each listener.
pub const MAX_ROUTE_CONFIGURATIONS: usize = 65_536;

/// The most names of a type that a stream may subscribe to, apart from the wildcard.
#[must_use]
pub fn max_names(type_url: &str) -> usize {
    match type_url {
        type_url::CLUSTER_LOAD_ASSIGNMENT => MAX_ASSIGNMENTS,
        type_url::ROUTE_CONFIGURATION => MAX_ROUTE_CONFIGURATIONS,
        _ => MAX_NAMES,
    }
}

/// About the most bytes that all names of a stream may take in the server's memory. A name that
/// the server has anyway takes 24 bytes; another one takes its own and 96. Besides, a resource
/// that is still to be sent takes about 80: of these there are never more than the server has.
pub const MAX_STREAM_BYTES: usize = 4 << 20;

/// The most bytes in a resource's name. The longest are clusters': a host of 253 bytes, a subset
/// of 63, a port.
pub const MAX_NAME_BYTES: usize = 512;

/// The most bytes in a resource's version.
pub const MAX_VERSION_BYTES: usize = 256;

/// The most bytes in a type's URL.
pub const MAX_TYPE_BYTES: usize = 256;

/// The most resources that a client may say it holds of one type, when it connects.
pub const MAX_CLAIMS: usize = 131_072;

/// The bytes of names and versions after which our client says of no more resources that it
/// holds them. What is left of a request is for the names that it subscribes to and its node.
pub(crate) const FULL_CLAIMS_BYTES: usize = MAX_REQUEST_BYTES - FULL_REQUEST_BYTES - (512 << 10);

/// The most bytes in a resource's body. A larger one is withheld from clients.
pub const MAX_RESOURCE_BYTES: usize = MAX_RESPONSE_BYTES - (64 << 10);

/// The most bytes in a response, which clients have to accept.
pub const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// The most bytes in a request, which servers have to accept: the names and versions of all
/// that a client holds.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;

/// The bytes of names and versions after which a client's request is full and the rest waits for
/// the next one.
pub(crate) const FULL_REQUEST_BYTES: usize = 1 << 20;

/// The bytes after which a response is full and the rest waits for the next one, so that a
/// large snapshot is not encoded at once.
pub(crate) const FULL_RESPONSE_BYTES: usize = 512 << 10;

/// The most bytes of a refusal's text that are kept or sent.
pub const MAX_REFUSAL_BYTES: usize = 4_096;

/// The beginning of a text, of at most `bytes` bytes.
#[must_use]
pub fn shorten(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
