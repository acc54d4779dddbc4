//! Messages as JSON, by the rules of Protocol Buffers for JSON.

mod leaves;
#[cfg(test)]
mod tests;
mod tree;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value as Json, json};

use self::{
    leaves::{is_wrapper, of_duration, of_float},
    tree::{Tree, Value},
};
use crate::{
    Error,
    any::shorten,
    schema,
    types::{self, ANY},
};

/// The most `Any`s inside one another that are decoded.
const MAX_ANYS: usize = 16;

/// The message and its field that hold keys and are never shown.
const SECRET: (&str, &str) = (
    "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
    "private_key",
);

/// A message as JSON, with names in camel case, as Protocol Buffers write it. What is inside
/// of an `Any` is decoded if its type is known and it is not too deep inside, and is else shown
/// as `value` in base64. Private keys are replaced by `[redacted]`.
///
/// # Errors
///
/// Returns an error if the type is unknown, or the bytes are more than 16 MiB or no message.
pub fn to_json(type_url: &str, value: &[u8]) -> Result<Json, Error> {
    let schema = types::message_for(type_url, value)?;
    let tree = Tree::read(schema, value, 0).map_err(|broken| Error::Malformed {
        type_url: shorten(type_url),
        reason: broken.to_string(),
    })?;
    Ok(of_message(tree, Place::default()))
}

/// How many messages, and `Any`s among them, something is inside of.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    depth: usize,
    anys: usize,
}

fn of_message(mut message: Tree<'_>, place: Place) -> Json {
    match message.schema.name {
        ANY => of_any(message, place),
        "google.protobuf.Duration" => {
            let (seconds, nanos) = (message.take(1), message.take(2));
            match (seconds, nanos) {
                (Some(Value::Int64(seconds)), Some(Value::Int32(nanos))) => {
                    of_duration(seconds, nanos)
                }
                _ => Json::Null,
            }
        }
        // The one field that is set, by its kind.
        "google.protobuf.Value" => match message.into_fields().next() {
            Some((_, Value::Enum(..))) | None => Json::Null,
            Some((_, value)) => of_value(value, place),
        },
        name if is_wrapper(name) => {
            let value = message.take(1);
            value.map_or(Json::Null, |value| of_value(value, place))
        }
        _ => of_fields(message, place).into(),
    }
}

fn of_fields(message: Tree<'_>, place: Place) -> Map<String, Json> {
    let of = message.schema.name;
    message
        .into_fields()
        .map(|(field, value)| {
            let json = if (of, field.name) == SECRET {
                json!("[redacted]")
            } else {
                of_value(value, place)
            };
            (leaves::name(field.name), json)
        })
        .collect()
}

fn of_any(mut message: Tree<'_>, place: Place) -> Json {
    let Some(Value::Text(type_url)) = message.take(1) else {
        return Json::Null;
    };
    let Some(Value::Bytes(bytes)) = message.take(2) else {
        return Json::Null;
    };
    let inside = Place {
        depth: place.depth + 1,
        anys: place.anys + 1,
    };
    let inner = types::message(type_url)
        .filter(|_| place.anys < MAX_ANYS)
        .and_then(|schema| Tree::read(schema, bytes, inside.depth).ok());
    let mut object = match inner.map(|inner| of_message(inner, inside)) {
        Some(Json::Object(object)) => object,
        // A well-known type, which is no object in JSON.
        Some(other) => Map::from_iter([("value".to_owned(), other)]),
        None => Map::from_iter([("value".to_owned(), json!(BASE64.encode(bytes)))]),
    };
    object.insert("@type".to_owned(), type_url.into());
    object.into()
}

fn of_value(value: Value<'_>, place: Place) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int32(value) => json!(value),
        Value::Uint32(value) => json!(value),
        // JSON's numbers are doubles to many readers.
        Value::Int64(value) => json!(value.to_string()),
        Value::Uint64(value) => json!(value.to_string()),
        Value::Float(value) => of_float(value),
        Value::Enum(number, index) => {
            schema::value_name(index, number).map_or_else(|| json!(number), Json::from)
        }
        Value::Text(value) => json!(value),
        Value::Bytes(value) => json!(BASE64.encode(value)),
        Value::Message(message) => {
            let depth = place.depth + 1;
            of_message(message, Place { depth, ..place })
        }
        Value::List(values) => {
            let values = values.into_iter();
            values.map(|value| of_value(value, place)).collect()
        }
        Value::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, of_value(value, place)))
            .collect::<Map<_, _>>()
            .into(),
    }
}
