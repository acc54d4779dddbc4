//! The limits of a stream, at both ends.

/// The most names of one type that a stream may subscribe to, apart from the wildcard.
pub const MAX_NAMES: usize = 8_192;

/// The most bytes in a resource's name.
pub const MAX_NAME_BYTES: usize = 2_048;

/// The most bytes in a resource's version.
pub const MAX_VERSION_BYTES: usize = 256;

/// The most types that a stream may ask for. Envoy knows a dozen.
pub const MAX_TYPES: usize = 16;

/// The most bytes in a type's URL.
pub const MAX_TYPE_BYTES: usize = 256;

/// The most resources that a client may say it holds of one type, when it connects.
pub const MAX_CLAIMS: usize = 65_536;

/// The most bytes in a resource's body. A larger one is withheld from clients.
pub const MAX_RESOURCE_BYTES: usize = MAX_RESPONSE_BYTES - (64 << 10);

/// The most bytes in a response, which clients have to accept.
pub const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// The most bytes in a request, which servers have to accept: the names and versions of all
/// that a client holds.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;

/// The bytes after which a response is full and the rest waits for the next one, so that a
/// large snapshot is not encoded at once.
pub(crate) const FULL_RESPONSE_BYTES: usize = 2 << 20;

/// The most bytes of a refusal's text that are kept or sent.
pub const MAX_REFUSAL_BYTES: usize = 4_096;

/// A text of at most this many bytes.
pub(crate) fn shorten(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
