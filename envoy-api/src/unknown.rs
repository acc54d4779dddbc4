//! What a message has that our types lack.

#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use crate::{
    Error,
    any::shorten,
    bounds::{Elements, Exceeded},
    schema::{self, Field, Kind, Message},
    types::{self, ANY},
    wire::{self, Fields, MAX_DEPTH, Malformed, Value, WireType},
};

/// The most paths that [`unknown_fields`] returns.
pub const MAX_PATHS: usize = 32;

/// The most values whose paths are compared with those that were found already: a path has up to some
/// thousand bytes, and an unknown field three.
const MAX_REPORTS: usize = 1 << 12;

/// Lists what a message has and decoding would drop or misread: fields that this crate's types
/// lack, as `filter_chains[0].#17` (a path of names as in Envoy's API, and the field's number),
/// and enums with a number that this crate's types lack, as `lb_policy=9`.
///
/// Messages inside of an `Any` are examined too if their type is known, and left alone if not.
/// It reads the bytes once and copies none; of the paths, it returns the first [`MAX_PATHS`], and
/// none that come after some thousand values which it would list, most of them once more.
/// A message that it has accepted is safe to decode: its size in memory is bounded.
///
/// # Errors
///
/// Returns an error if the type is unknown, or the bytes are more than 16 MiB or not a message,
/// or the message holds more than [`MAX_ELEMENTS`](crate::MAX_ELEMENTS) messages and strings.
pub fn unknown_fields(type_url: &str, value: &[u8]) -> Result<Vec<String>, Error> {
    let schema = types::message_for(type_url, value)?;
    let mut walk = Walk::default();
    match walk.message(schema, value, 0) {
        Ok(()) => Ok(walk.found),
        Err(exceeded) => Err(Error::Malformed {
            type_url: shorten(type_url),
            reason: exceeded.to_string(),
        }),
    }
}

#[derive(Debug, Default)]
struct Walk {
    /// Where the walk is. Names are put at its end and taken off again, in the same memory.
    path: String,
    found: Vec<String>,
    reports: usize,
    elements: Elements,
}

impl Walk {
    fn message(&mut self, schema: &Message, message: &[u8], depth: usize) -> Result<(), Exceeded> {
        if depth > MAX_DEPTH {
            return Err(Malformed::Depth.into());
        }
        if schema.name == ANY {
            return self.any(message, depth);
        }
        let mut counts = Counts::default();
        for field in Fields::of(message) {
            let (number, value) = field?;
            if matches!(value, Value::Bytes(_)) {
                self.elements.count()?;
            }
            let Some(field) = schema.field(number) else {
                self.report(format_args!("#{number}"));
                continue;
            };
            match (field.kind, value) {
                (Kind::Message(index), Value::Bytes(bytes)) => {
                    let inner = schema::message_at(index);
                    let before = self.enter(field, &mut counts);
                    let result = self.message(inner, bytes, depth + 1);
                    self.path.truncate(before);
                    result?;
                }
                (Kind::Enum(index), Value::Bytes(numbers)) if field.is_repeated() => {
                    for number in wire::packed(numbers, WireType::VARINT) {
                        self.check_enum(field, index, number?);
                    }
                }
                (Kind::Enum(index), value) => self.check_enum(field, index, value),
                _ => {}
            }
        }
        Ok(())
    }

    fn check_enum(&mut self, field: &Field, index: u16, value: Value<'_>) {
        let Value::Varint(number) = value else {
            return;
        };
        // Negative enums are sign-extended to 64 bits.
        #[expect(clippy::cast_possible_truncation, reason = "decoders truncate, too")]
        let number = number as i32;
        if schema::value_name(index, number).is_none() {
            self.report(format_args!("{}={number}", field.name));
        }
    }

    /// Walks the message inside, under the path of the `Any` itself.
    fn any(&mut self, any: &[u8], depth: usize) -> Result<(), Exceeded> {
        let (mut type_url, mut message) = (&b""[..], &b""[..]);
        for field in Fields::of(any) {
            match field? {
                (1, Value::Bytes(bytes)) => type_url = bytes,
                (2, Value::Bytes(bytes)) => message = bytes,
                _ => {}
            }
        }
        let inner = str::from_utf8(type_url).ok().and_then(types::message);
        match inner {
            Some(inner) => self.message(inner, message, depth + 1),
            None => Ok(()),
        }
    }

    /// Goes into a field's message. Returns how long the path was before.
    fn enter(&mut self, field: &Field, counts: &mut Counts) -> usize {
        let before = self.push(field.name);
        if field.is_repeated() {
            let index = counts.next(field.number);
            let _ = write!(self.path, "[{index}]");
        }
        before
    }

    /// Puts a name at the path's end. Returns how long the path was before.
    fn push(&mut self, name: &str) -> usize {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        before
    }

    /// Notes the path of this, once, unless there are enough.
    fn report(&mut self, unknown: fmt::Arguments<'_>) {
        if self.found.len() >= MAX_PATHS || self.reports >= MAX_REPORTS {
            return;
        }
        self.reports += 1;
        let before = self.push("");
        let _ = self.path.write_fmt(unknown);
        if !self.found.contains(&self.path) {
            self.found.push(self.path.clone());
        }
        self.path.truncate(before);
    }
}

/// How often each repeated field of a message was met.
#[derive(Debug, Default)]
struct Counts(Vec<(u32, usize)>);

impl Counts {
    /// The index of the value of this field that comes next.
    fn next(&mut self, number: u32) -> usize {
        let known = self.0.iter_mut().find(|(known, _)| *known == number);
        if let Some((_, count)) = known {
            *count += 1;
            return *count;
        }
        self.0.push((number, 0));
        0
    }
}
