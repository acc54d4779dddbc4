//! Messages as JSON, by the rules of Protocol Buffers for JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};
use serde_json::{Map, Value as Json, json};

use crate::{
    Error,
    any::shorten,
    descriptors::{self, ANY},
};

/// The most `Any`s inside one another that are decoded.
const MAX_ANYS: usize = 16;

/// Fields that hold keys and are never shown.
const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key";

/// A message as JSON, with names in camel case, as Protocol Buffers write it. What is inside
/// of an `Any` is decoded if its type is known, and is else shown as `value` in base64.
/// Private keys are replaced by `[redacted]`.
///
/// # Errors
///
/// Returns an error if the type is unknown, or the bytes are more than 16 MiB or no message.
pub fn to_json(type_url: &str, value: &[u8]) -> Result<Json, Error> {
    let descriptor = descriptors::descriptor_for(type_url, value)?;
    let message = DynamicMessage::decode(descriptor, value).map_err(|error| Error::Malformed {
        type_url: shorten(type_url),
        reason: error.to_string(),
    })?;
    Ok(of_message(&message, 0))
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
    let inner = descriptors::descriptor(&type_url)
        .filter(|_| anys < MAX_ANYS)
        .and_then(|descriptor| DynamicMessage::decode(descriptor, bytes.clone()).ok());
    let mut object = match inner.map(|inner| of_message(&inner, anys + 1)) {
        Some(Json::Object(object)) => object,
        // A well-known type, which is no object in JSON.
        Some(other) => Map::from_iter([("value".to_owned(), other)]),
        None => Map::from_iter([("value".to_owned(), json!(BASE64.encode(&bytes)))]),
    };
    object.insert("@type".to_owned(), type_url.into());
    object.into()
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

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::{Duration, Struct, Value as StructValue, value::Kind as StructKind};

    use super::*;
    use crate::{
        Any, any,
        envoy::config::{
            cluster::v3::{Cluster, cluster::ClusterDiscoveryType},
            core::v3::{DataSource, Metadata, TransportSocket, data_source, transport_socket},
        },
        envoy::extensions::transport_sockets::tls::v3::{
            Secret, TlsCertificate, UpstreamTlsContext, secret,
        },
        type_url,
    };

    fn cluster() -> Cluster {
        Cluster {
            name: "a".to_owned(),
            connect_timeout: Some(Duration {
                seconds: 1,
                nanos: 500_000_000,
            }),
            per_connection_buffer_limit_bytes: Some(32_768),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(3)),
            ..Cluster::default()
        }
    }

    fn json(cluster: &Cluster) -> Json {
        to_json(type_url::CLUSTER, &cluster.encode_to_vec()).unwrap()
    }

    #[test]
    fn writes_durations_wrappers_and_enums_as_protobuf_does() {
        assert_eq!(
            json(&cluster()),
            json!({
                "name": "a",
                "connectTimeout": "1.5s",
                "perConnectionBufferLimitBytes": 32_768,
                "type": "EDS",
            })
        );
    }

    #[test]
    fn writes_structs_as_plain_json() {
        let value = StructValue {
            kind: Some(StructKind::StringValue("s".to_owned())),
        };
        let fields = Struct {
            fields: [("host".to_owned(), value)].into(),
        };
        let metadata = Metadata {
            filter_metadata: [("istio".to_owned(), fields)].into(),
            ..Metadata::default()
        };
        let cluster = Cluster {
            metadata: Some(metadata),
            ..Cluster::default()
        };
        assert_eq!(
            json(&cluster),
            json!({"metadata": {"filterMetadata": {"istio": {"host": "s"}}}})
        );
    }

    #[test]
    fn decodes_a_known_any_and_shows_the_bytes_of_another() {
        let socket = |typed_config| Cluster {
            transport_socket: Some(TransportSocket {
                name: "t".to_owned(),
                config_type: Some(transport_socket::ConfigType::TypedConfig(typed_config)),
            }),
            ..Cluster::default()
        };
        let tls = UpstreamTlsContext {
            sni: "host".to_owned(),
            ..UpstreamTlsContext::default()
        };
        assert_eq!(
            json(&socket(any(type_url::UPSTREAM_TLS_CONTEXT, &tls)))["transportSocket"],
            json!({
                "name": "t",
                "typedConfig": {"@type": type_url::UPSTREAM_TLS_CONTEXT, "sni": "host"},
            })
        );
        let foreign = Any {
            type_url: "type.googleapis.com/some.Socket".to_owned(),
            value: b"abc"[..].into(),
        };
        assert_eq!(
            json(&socket(foreign))["transportSocket"]["typedConfig"],
            json!({"@type": "type.googleapis.com/some.Socket", "value": "YWJj"})
        );
    }

    #[test]
    fn never_shows_a_private_key() {
        let key = DataSource {
            specifier: Some(data_source::Specifier::InlineString("key!".to_owned())),
        };
        let certificate = TlsCertificate {
            private_key: Some(key),
            ..TlsCertificate::default()
        };
        let secret = Secret {
            name: "s".to_owned(),
            r#type: Some(secret::Type::TlsCertificate(certificate)),
        };
        let json = to_json(type_url::SECRET, &secret.encode_to_vec()).unwrap();
        assert_eq!(
            json,
            json!({"name": "s", "tlsCertificate": {"privateKey": "[redacted]"}})
        );
    }

    #[test]
    fn refuses_garbage() {
        assert!(matches!(
            to_json(type_url::CLUSTER, b"\x12\xff"),
            Err(Error::Malformed { .. })
        ));
    }
}
