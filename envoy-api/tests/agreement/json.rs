//! Messages as JSON, by prost-reflect's reading of them.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use prost::bytes::Bytes;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};
use serde_json::{Map, Value as Json, json};

use super::{by_url, unknown};

const ANY: &str = "google.protobuf.Any";
const MAX_ANYS: usize = 16;
const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key";

/// The JSON, if the bytes are a message.
pub fn of(message: &MessageDescriptor, bytes: &[u8]) -> Option<Json> {
    Some(of_message(&decode(message.clone(), bytes)?, 0))
}

fn decode(message: MessageDescriptor, bytes: &[u8]) -> Option<DynamicMessage> {
    let is_good = unknown::has_entries_only(&message, bytes);
    let message = is_good.then_some(message)?;
    DynamicMessage::decode(message, bytes).ok()
}

fn of_message(message: &DynamicMessage, anys: usize) -> Json {
    let field = |name| message.get_field_by_name(name);
    match message.descriptor().full_name() {
        ANY => of_any(message, anys),
        "google.protobuf.Duration" => of_duration(message),
        "google.protobuf.Struct" => field("fields").map_or(Json::Null, |fields| match &*fields {
            Value::Map(map) => map
                .iter()
                .map(|(key, value)| (of_key(key), of_value(value, None, anys)))
                .collect::<Map<_, _>>()
                .into(),
            _ => Json::Null,
        }),
        "google.protobuf.ListValue" => {
            field("values").map_or(Json::Null, |values| of_value(&values, None, anys))
        }
        // The one field that is set, by its kind.
        "google.protobuf.Value" => message
            .fields()
            .next()
            .map_or(Json::Null, |(field, value)| match field.kind() {
                Kind::Enum(_) => Json::Null,
                _ => of_value(value, None, anys),
            }),
        name if is_wrapper(name) => {
            field("value").map_or(Json::Null, |value| of_value(&value, None, anys))
        }
        _ => of_fields(message, anys).into(),
    }
}

fn is_wrapper(name: &str) -> bool {
    name.strip_prefix("google.protobuf.")
        .and_then(|name| name.strip_suffix("Value"))
        .is_some_and(|kind| {
            matches!(
                kind,
                "Bool"
                    | "Bytes"
                    | "Double"
                    | "Float"
                    | "Int32"
                    | "Int64"
                    | "String"
                    | "UInt32"
                    | "UInt64"
            )
        })
}

fn of_fields(message: &DynamicMessage, anys: usize) -> Map<String, Json> {
    message
        .fields()
        .map(|(field, value)| {
            let json = if field.full_name() == SECRET {
                json!("[redacted]")
            } else {
                of_value(value, Some(&field), anys)
            };
            (field.json_name().to_owned(), json)
        })
        .collect()
}

/// Seconds with a fraction, and an `s`.
fn of_duration(message: &DynamicMessage) -> Json {
    let number = |name| match message.get_field_by_name(name).as_deref() {
        Some(Value::I64(number)) => *number,
        Some(Value::I32(number)) => i64::from(*number),
        _ => 0,
    };
    let (seconds, nanos) = (number("seconds"), number("nanos"));
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!(".{:09}", nanos.unsigned_abs());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    json!(format!("{sign}{}{fraction}s", seconds.unsigned_abs()))
}

fn of_any(message: &DynamicMessage, anys: usize) -> Json {
    let (mut type_url, mut bytes) = (String::new(), Bytes::new());
    if let Some(Value::String(url)) = message.get_field_by_name("type_url").as_deref() {
        type_url.clone_from(url);
    }
    if let Some(Value::Bytes(value)) = message.get_field_by_name("value").as_deref() {
        bytes.clone_from(value);
    }
    let known = by_url(&type_url);
    let inner = known.as_ref().filter(|_| anys < MAX_ANYS);
    let inner = inner.and_then(|known| decode(known.clone(), &bytes));
    let mut object = match (&known, inner) {
        (_, Some(inner)) => match of_message(&inner, anys + 1) {
            Json::Object(object) if !has_own_form(inner.descriptor().full_name()) => object,
            own => Map::from_iter([("value".to_owned(), own)]),
        },
        (Some(_), None) => Map::from_iter([("length".to_owned(), json!(bytes.len()))]),
        (None, _) => Map::from_iter([("value".to_owned(), json!(BASE64.encode(&bytes)))]),
    };
    object.insert("@type".to_owned(), type_url.into());
    object.into()
}

/// Whether JSON has a form for a type that has no place for `@type`.
fn has_own_form(name: &str) -> bool {
    let own = ["Any", "Duration", "ListValue", "Struct", "Value"];
    is_wrapper(name)
        || name
            .strip_prefix("google.protobuf.")
            .is_some_and(|name| own.contains(&name))
}

/// A value of a field, which says what an enum's numbers mean.
fn of_value(value: &Value, field: Option<&FieldDescriptor>, anys: usize) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::U32(value) => json!(value),
        // JSON's numbers are doubles to many readers.
        Value::I64(value) => json!(value.to_string()),
        Value::U64(value) => json!(value.to_string()),
        Value::F32(value) => of_float(f64::from(*value)),
        Value::F64(value) => of_float(*value),
        Value::String(value) => json!(value),
        Value::Bytes(value) => json!(BASE64.encode(value)),
        Value::EnumNumber(number) => of_enum(*number, field),
        Value::Message(message) => of_message(message, anys),
        Value::List(values) => values
            .iter()
            .map(|value| of_value(value, field, anys))
            .collect(),
        Value::Map(map) => {
            let entry = field.and_then(value_field);
            map.iter()
                .map(|(key, value)| (of_key(key), of_value(value, entry.as_ref(), anys)))
                .collect::<Map<_, _>>()
                .into()
        }
    }
}

/// The field of a map's values.
fn value_field(map: &FieldDescriptor) -> Option<FieldDescriptor> {
    match map.kind() {
        Kind::Message(entry) if entry.is_map_entry() => Some(entry.map_entry_value_field()),
        _ => None,
    }
}

fn of_enum(number: i32, field: Option<&FieldDescriptor>) -> Json {
    let name = field.and_then(|field| match field.kind() {
        Kind::Enum(values) => values
            .get_value(number)
            .map(|value| value.name().to_owned()),
        _ => None,
    });
    name.map_or_else(|| json!(number), Json::from)
}

fn of_float(number: f64) -> Json {
    if number.is_finite() {
        json!(number)
    } else if number.is_nan() {
        json!("NaN")
    } else if number > 0.0 {
        json!("Infinity")
    } else {
        json!("-Infinity")
    }
}

fn of_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
