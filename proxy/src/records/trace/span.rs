//! A span: what one proxy has to say of one request of a trace.
//!
//! It borrows what it says, as a request's record does: a worker writes it at once in the form that its
//! collector reads.

use std::{
    num::NonZero,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The number of a trace: 128 bits, or the last 64 of them where it came so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TraceId(NonZero<u128>);

/// The number of a span in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SpanId(NonZero<u64>);

/// Which side of a request the proxy is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanKind {
    /// That of who asked.
    Client,
    /// That of who answered.
    Server,
}

/// A finished span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    pub trace: TraceId,
    pub id: SpanId,
    /// `None` for the first span of a trace.
    pub parent: Option<SpanId>,
    pub kind: SpanKind,
    /// The operation, such as `reviews.default.svc.cluster.local:9080/*`.
    pub name: &'a str,
    pub started: SystemTime,
    pub duration: Duration,
    /// For collectors that have another place for it than a tag.
    pub is_error: bool,
    /// No name twice. Those after the first [`MAX_TAGS`] are left out.
    pub tags: &'a [Tag<'a>],
    /// The field `tracestate`; empty without one.
    pub trace_state: &'a str,
}

/// Something that a span says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub name: &'a str,
    pub value: TagValue<'a>,
}

/// The value of a tag, which collectors get as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TagValue<'a> {
    Text(&'a str),
    /// From a header's value: what is not UTF-8 is replaced.
    Bytes(&'a [u8]),
    Number(u64),
}

/// A span has no more tags.
pub(crate) const MAX_TAGS: usize = 64;
/// Bytes that are sent of a name or a value; a character that does not fit ends it.
const MAX_TEXT: usize = 1024;

impl TraceId {
    /// `None` for 0, which no trace has.
    pub fn new(number: u128) -> Option<Self> {
        NonZero::new(number).map(Self)
    }

    /// The number.
    pub fn get(self) -> u128 {
        self.0.get()
    }

    /// As headers and Zipkin write it: 32 digits, or 16 where the first half is 0.
    pub fn hex(self) -> Hex {
        match u64::try_from(self.get()) {
            Ok(short) => Hex::new(short.into(), 16),
            Err(_) => Hex::new(self.get(), 32),
        }
    }
}

impl SpanId {
    /// `None` for 0, which no span has.
    pub fn new(number: u64) -> Option<Self> {
        NonZero::new(number).map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// As headers and Zipkin write it: 16 digits.
    pub fn hex(self) -> Hex {
        Hex::new(self.get().into(), 16)
    }
}

impl Span<'_> {
    /// The tags that are sent.
    pub(super) fn sent_tags(&self) -> &[Tag<'_>] {
        &self.tags[..self.tags.len().min(MAX_TAGS)]
    }

    /// When it began, since 1970.
    pub(super) fn since_epoch(&self) -> Duration {
        self.started.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl<'a> Tag<'a> {
    /// A tag whose value is a text.
    pub fn text(name: &'a str, value: &'a str) -> Self {
        let value = TagValue::Text(value);
        Self { name, value }
    }

    /// A tag whose value comes from a header.
    pub fn bytes(name: &'a str, value: &'a [u8]) -> Self {
        let value = TagValue::Bytes(value);
        Self { name, value }
    }

    /// A tag whose value is a number.
    pub fn number(name: &'a str, value: u64) -> Self {
        let value = TagValue::Number(value);
        Self { name, value }
    }
}

impl TagValue<'_> {
    /// As much of the text as is sent. `digits` has room for a number's.
    pub(super) fn sent<'b>(&'b self, digits: &'b mut itoa::Buffer) -> &'b [u8] {
        match self {
            Self::Text(text) => sent(text).as_bytes(),
            Self::Bytes(bytes) => &bytes[..bytes.len().min(MAX_TEXT)],
            Self::Number(number) => digits.format(*number).as_bytes(),
        }
    }
}

/// As much of a text as is sent.
pub(super) fn sent(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// A number in hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 32],
    start: usize,
}

impl Hex {
    /// The last `count` digits, 32 at most.
    fn new(number: u128, count: usize) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        for (byte, pair) in number.to_be_bytes().iter().zip(digits.chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        let start = digits.len().saturating_sub(count);
        Self { digits, start }
    }

    /// The digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(number: u128) -> String {
        let hex = TraceId::new(number).unwrap().hex();
        String::from_utf8(hex.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_short_trace_id_has_16_digits_and_a_long_one_32() {
        assert_eq!(hex(1), "0000000000000001");
        assert_eq!(hex(u64::MAX.into()), "ffffffffffffffff");
        assert_eq!(hex(1 << 64), "00000000000000010000000000000000");
        let id = SpanId::new(0x0123_4567_89ab_cdef).unwrap();
        assert_eq!(id.hex().as_bytes(), b"0123456789abcdef");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let long = format!("{}\u{20ac}", "x".repeat(MAX_TEXT - 1));
        assert_eq!(sent(&long).len(), MAX_TEXT - 1);
        let value = TagValue::Bytes(long.as_bytes());
        assert_eq!(value.sent(&mut itoa::Buffer::new()).len(), MAX_TEXT);
        let value = TagValue::Number(503);
        assert_eq!(value.sent(&mut itoa::Buffer::new()), b"503");
    }

    #[test]
    fn nothing_has_the_number_0() {
        assert_eq!(TraceId::new(0), None);
        assert_eq!(SpanId::new(0), None);
    }
}
