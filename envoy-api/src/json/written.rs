//! What is written of each value.

use base64::{display::Base64Display, engine::general_purpose::STANDARD as BASE64};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq as _},
};

use super::{
    leaves::{self, Duration, Float},
    tree::{Any, Content, Tree, Value},
};
use crate::schema;

/// The message and its field that hold keys and are never shown.
const SECRET: (&str, &str) = (
    "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
    "private_key",
);

/// How a message is written.
enum Form {
    /// As an object with its fields.
    Object,
    /// As its first and only field.
    First,
    Duration,
    /// As the one field that is set.
    Value,
}

impl Form {
    fn of(message: &Tree<'_>) -> Self {
        match message.schema.name {
            "google.protobuf.Duration" => Self::Duration,
            "google.protobuf.Value" => Self::Value,
            name if leaves::is_wrapper(name) => Self::First,
            _ => Self::Object,
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int32(value) => serializer.serialize_i32(*value),
            Self::Uint32(value) => serializer.serialize_u32(*value),
            // JSON's numbers are doubles to many readers.
            Self::Int64(value) => serializer.collect_str(value),
            Self::Uint64(value) => serializer.collect_str(value),
            Self::Float(value) => Float(*value).serialize(serializer),
            Self::Enum(number, index) => match schema::value_name(*index, *number) {
                Some(name) => serializer.serialize_str(name),
                None => serializer.serialize_i32(*number),
            },
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.collect_str(&base64(value)),
            Self::Message(message) => message.serialize(serializer),
            Self::Any(any) => any.serialize(serializer),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Form::of(self) {
            Form::Duration => {
                let seconds = match self.get(1) {
                    Some(Value::Int64(seconds)) => *seconds,
                    _ => 0,
                };
                let nanos = match self.get(2) {
                    Some(Value::Int32(nanos)) => *nanos,
                    _ => 0,
                };
                serializer.collect_str(&Duration { seconds, nanos })
            }
            Form::Value => match self.fields().next() {
                Some((_, Value::Enum(..))) | None => serializer.serialize_unit(),
                Some((_, value)) => value.serialize(serializer),
            },
            Form::First => match (self.get(1), self.schema.field(1)) {
                (Some(value), _) => value.serialize(serializer),
                (None, Some(field)) => Value::none(field).serialize(serializer),
                (None, None) => serializer.serialize_unit(),
            },
            Form::Object => {
                let mut map = serializer.serialize_map(None)?;
                self.write_fields(&mut map)?;
                map.end()
            }
        }
    }
}

impl Tree<'_> {
    fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for (field, value) in self.fields() {
            map.serialize_key(&leaves::name(field.name))?;
            if (self.schema.name, field.name) == SECRET {
                map.serialize_value("[redacted]")?;
            } else {
                map.serialize_value(value)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Any<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@type", self.type_url)?;
        match &self.content {
            Content::Message(Value::Message(message))
                if matches!(Form::of(message), Form::Object) =>
            {
                message.write_fields(&mut map)?;
            }
            // What has a form of its own has no place for the type.
            Content::Message(other) => map.serialize_entry("value", other)?,
            Content::Foreign(bytes) => map.serialize_entry("value", &Text(base64(bytes)))?,
            Content::Unreadable(why, length) => {
                map.serialize_entry("error", &Text(why))?;
                map.serialize_entry("length", length)?;
            }
        }
        map.end()
    }
}

fn base64(bytes: &[u8]) -> Base64Display<'_, '_, base64::engine::GeneralPurpose> {
    Base64Display::new(bytes, &BASE64)
}

/// What is written as it is displayed.
struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
