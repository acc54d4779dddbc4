//! How much a peer may send before it is refused.

use memchr::memchr;

use crate::bounds::{FIELDS, HEAD_BYTES};

/// How many fields a head can have at most, whatever [`Limits::fields`] says: the parser
/// keeps their places on the stack.
pub(super) const MOST_FIELDS: usize = 128;

/// Bytes of a chunk's line that are never too many, however small the chunk is: a size, and a short
/// extension.
pub(super) const CHUNK_WORTH: u64 = 16;

/// Bounds on the parts of a message that must be complete before they can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of a head, from its first line to the empty one; 60 KiB by default, as Envoy has
    /// it.
    pub head_bytes: usize,
    /// Fields of a head or of a trailer section: 100 by default, as Envoy has it, and never
    /// more than 128.
    pub fields: usize,
    /// Bytes of the line in front of a chunk, with its extensions; 512 by default. The longest
    /// extensions in use are the signatures of S3's uploads, with fewer than 200 bytes.
    pub chunk_line: usize,
    /// How many bytes of such lines a body may have beyond what its chunks are worth, which is
    /// [`CHUNK_WORTH`] and twice their bytes; 16 KiB by default.
    pub chunk_overhead: usize,
    /// Bytes of a trailer section; as many as of a head by default.
    pub trailer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: HEAD_BYTES.into(),
            fields: FIELDS,
            chunk_line: 512,
            chunk_overhead: 16 * 1024,
            trailer_bytes: HEAD_BYTES.into(),
        }
    }
}

impl Limits {
    /// Whether parsing a head again can have another outcome than before, when only the first
    /// `seen` bytes of `input` had been received.
    ///
    /// Whoever sends a head byte by byte would otherwise have all of it parsed for each byte.
    pub fn may_have_changed(&self, input: &[u8], seen: usize) -> bool {
        // Lines are judged when they are complete.
        let news = input.get(seen..).unwrap_or_default();
        input.len() >= self.head_bytes || memchr(b'\n', news).is_some()
    }

    /// As much of the input as a head can take.
    pub(super) fn window<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        input.get(..self.head_bytes).unwrap_or(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_line_or_the_limit_changes_the_outcome() {
        let limits = Limits {
            head_bytes: 16,
            ..Limits::default()
        };
        assert!(!limits.may_have_changed(b"GET / HTTP", 4));
        assert!(!limits.may_have_changed(b"GET / HT\r\na", 10));
        assert!(limits.may_have_changed(b"GET / HT\r\na", 9));
        assert!(limits.may_have_changed(b"GET /aaaaaaaaaaa", 15));
    }
}
