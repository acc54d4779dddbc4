//! Trailer sections (RFC 9112, 7.1.2).

use memchr::memchr;

use super::{field_lines::FieldLines, limits::Limits, refusal::BadBody};
use crate::message::{Fields, TrailersOf};

/// A trailer section as it comes in.
#[derive(Debug)]
pub(super) struct TrailerSection {
    of: TrailersOf,
    /// Whole lines, and the start of the next one.
    text: Vec<u8>,
    start_of_line: usize,
    most_bytes: usize,
    most_fields: usize,
}

impl TrailerSection {
    /// Nothing yet.
    pub fn new(of: TrailersOf, limits: &Limits) -> Self {
        Self {
            of,
            text: Vec::new(),
            start_of_line: 0,
            most_bytes: limits.trailer_bytes,
            most_fields: limits.fields,
        }
    }

    /// Takes some bytes of the input: returns how many, and the trailers once the section is
    /// complete.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Fields>), BadBody> {
        let mut taken = 0;
        while let Some(rest) = input.get(taken..).filter(|rest| !rest.is_empty()) {
            if self.text.is_empty() && rest.starts_with(b"\r\n") {
                return Ok((taken + 2, Some(Fields::default())));
            }
            let end = memchr(b'\n', rest);
            let piece = &rest[..end.map_or(rest.len(), |end| end + 1)];
            if self.text.len() + piece.len() > self.most_bytes {
                return Err(BadBody::TrailersTooLarge);
            }
            self.text.extend_from_slice(piece);
            taken += piece.len();
            if end.is_some() {
                let line = self.text.get(self.start_of_line..).unwrap_or_default();
                if matches!(line, b"\r\n" | b"\n") {
                    return Ok((taken, Some(self.parse()?)));
                }
                self.start_of_line = self.text.len();
            }
        }
        Ok((taken, None))
    }

    fn parse(&self) -> Result<Fields, BadBody> {
        let mut lines = FieldLines::new();
        lines.read(&self.text, 0, self.most_fields)?;
        let mut fields = Fields::with_capacity(self.text.len(), lines.len());
        for (name, value) in lines.iter(&self.text) {
            fields.push(name, value);
        }
        fields.retain(|known, name, _| self.of.allow(known, name));
        Ok(fields)
    }
}
