//! Bodies as they go out.

use super::numbers::{write_decimal, write_hexadecimal};
use crate::message::{FieldName, Fields, frames_a_message};

/// A body is not as long as its head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyLengthMismatch {
    #[error("the body is longer than its head says")]
    TooLong,
    #[error("the body is shorter than its head says")]
    TooShort,
}

/// Frames a body as its head has announced it.
#[derive(Debug)]
pub(crate) struct Encoder {
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes are still to be sent.
    Length(u64),
    Chunked,
    /// The end of the connection ends it.
    UntilClose,
}

impl Encoder {
    /// For a body of that length.
    pub(super) fn of_length(length: u64) -> Self {
        Self {
            state: State::Length(length),
        }
    }

    /// For a body in chunks.
    pub(super) fn chunked() -> Self {
        Self {
            state: State::Chunked,
        }
    }

    /// For a body that the end of the connection ends, or a tunnel.
    pub(super) fn until_close() -> Self {
        Self {
            state: State::UntilClose,
        }
    }

    /// Appends a piece of the body.
    ///
    /// # Errors
    ///
    /// When it is more than was announced; nothing is appended then.
    pub fn write(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), BodyLengthMismatch> {
        match &mut self.state {
            // A chunk of no bytes would end the body.
            State::Chunked if data.is_empty() => {}
            State::Chunked => {
                out.reserve(data.len() + 20);
                write_hexadecimal(data.len(), out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(data);
                out.extend_from_slice(b"\r\n");
            }
            State::Length(_) | State::UntilClose => {
                self.wrote(data.len())?;
                out.extend_from_slice(data);
            }
        }
        Ok(())
    }

    /// Ends the body. Trailers are sent only with chunks, and without those that frame
    /// messages.
    ///
    /// # Errors
    ///
    /// When less was written than was announced.
    pub fn finish(
        &mut self,
        trailers: Option<&Fields>,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyLengthMismatch> {
        match self.state {
            State::Length(0) => return Ok(()),
            State::Length(_) => return Err(BodyLengthMismatch::TooShort),
            State::UntilClose => {}
            State::Chunked => {
                out.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.into_iter().flat_map(Fields::iter) {
                    if !frames_a_message(FieldName::of(name)) {
                        write_field(name, value, out);
                    }
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        self.state = State::Length(0);
        Ok(())
    }

    /// Whether so many more bytes are within what was announced.
    pub fn has_room(&self, data: usize) -> bool {
        !matches!(self.state, State::Length(left) if left < data as u64)
    }

    /// Whether the body goes out as it is, so that it may be sent without a copy, and counted
    /// with [`Encoder::wrote`].
    pub fn is_identity(&self) -> bool {
        !matches!(self.state, State::Chunked)
    }

    /// Whether the body has been written to its end.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Length(0))
    }

    /// Counts bytes of the body that were sent without [`Encoder::write`].
    ///
    /// # Errors
    ///
    /// When it is more than was announced.
    pub fn wrote(&mut self, data: usize) -> Result<(), BodyLengthMismatch> {
        if let State::Length(left) = &mut self.state {
            let rest = left.checked_sub(data as u64);
            *left = rest.ok_or(BodyLengthMismatch::TooLong)?;
        }
        Ok(())
    }
}

/// Appends a field.
pub(super) fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends all fields.
pub(super) fn write_fields(fields: &Fields, out: &mut Vec<u8>) {
    for lines in fields.lines() {
        out.extend_from_slice(lines);
    }
}

/// Appends `content-length`.
pub(super) fn write_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"content-length: ");
    write_decimal(length, out);
    out.extend_from_slice(b"\r\n");
}

/// The bytes that fields take at most in a head.
pub(super) fn size_of(fields: &Fields) -> usize {
    fields.bytes() + 4 * fields.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(mut encoder: Encoder, pieces: &[&str], trailers: Option<&Fields>) -> String {
        let mut out = Vec::new();
        for piece in pieces {
            encoder.write(piece.as_bytes(), &mut out).unwrap();
        }
        encoder.finish(trailers, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_chunks() {
        let long = "a".repeat(26);
        let written = body(Encoder::chunked(), &["abc", "", &long], None);
        assert_eq!(written, format!("3\r\nabc\r\n1a\r\n{long}\r\n0\r\n\r\n"));
        assert_eq!(body(Encoder::chunked(), &[], None), "0\r\n\r\n");
    }

    #[test]
    fn writes_trailers_but_none_that_belong_into_a_head() {
        let mut trailers = Fields::default();
        for name in ["grpc-status", "content-length", "transfer-encoding", "host"] {
            trailers.push(name.as_bytes(), b"0");
        }
        let written = body(Encoder::chunked(), &[], Some(&trailers));
        assert_eq!(written, "0\r\ngrpc-status: 0\r\n\r\n");
        assert_eq!(body(Encoder::until_close(), &["a"], Some(&trailers)), "a");
    }

    #[test]
    fn holds_to_the_length_that_was_announced() {
        assert_eq!(body(Encoder::of_length(3), &["a", "", "bc"], None), "abc");
        let mut out = Vec::new();
        let mut encoder = Encoder::of_length(3);
        encoder.wrote(2).unwrap();
        assert!(encoder.has_room(1) && !encoder.has_room(2));
        let end = encoder.finish(None, &mut out);
        assert_eq!(end, Err(BodyLengthMismatch::TooShort));
        let more = encoder.write(b"cd", &mut out);
        assert_eq!(more, Err(BodyLengthMismatch::TooLong));
        assert!(out.is_empty());
        encoder.write(b"c", &mut out).unwrap();
        encoder.finish(None, &mut out).unwrap();
        assert_eq!(out, b"c");
    }

    #[test]
    fn writes_nothing_behind_the_end() {
        for mut encoder in [Encoder::chunked(), Encoder::until_close()] {
            let mut out = Vec::new();
            encoder.finish(None, &mut out).unwrap();
            out.clear();
            assert_eq!(
                encoder.write(b"a", &mut out),
                Err(BodyLengthMismatch::TooLong)
            );
            encoder.finish(None, &mut out).unwrap();
            assert!(out.is_empty());
        }
    }
}
