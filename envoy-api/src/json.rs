//! Messages as JSON, by the rules of Protocol Buffers for JSON.

mod leaves;
mod merged;
mod opened;
#[cfg(test)]
mod tests;
mod tree;
mod written;

use serde::{Serialize, Serializer};

use self::tree::Value;
use crate::{Error, any::shorten, types};

/// A message that is written as JSON, directly from the bytes that it was read from.
#[derive(Debug)]
pub struct Json<'a>(Value<'a>);

/// A message as JSON, with names in camel case, as Protocol Buffers write it, and its fields by number.
/// What is inside of an `Any` is decoded if its type is known. Of another type it is shown as `value`
/// in base64. If its type is known and it can't be read, or is too deep inside, an `error` and its
/// `length` in bytes are shown instead of it. Private keys are replaced by `[redacted]`.
///
/// # Errors
///
/// Returns an error if the type is unknown, or the bytes are more than 16 MiB or not a message, or the
/// message holds more than 524,288 values at all depths, which is enough for route tables and endpoints of 10,000 entries.
pub fn to_json<'a>(type_url: &str, value: &'a [u8]) -> Result<Json<'a>, Error> {
    let schema = types::message_for(type_url, value)?;
    let root = opened::read(schema, value).map_err(|broken| Error::Malformed {
        type_url: shorten(type_url),
        reason: broken.to_string(),
    })?;
    Ok(Json(root))
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
