//! The schemas of the specs, made from the types.
//!
//! They are written in the part of JSON Schema that Kubernetes calls structural, and serve both
//! the CRDs and the check of an object's structure, so that these agree with the types.

use std::sync::LazyLock;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    DestinationRuleSpec, GatewaySpec, PeerAuthenticationSpec, ServiceEntrySpec, TelemetrySpec,
    VirtualServiceSpec, object::Kind,
};

/// The schema of a kind's spec. [`crate::not_built::MARK`] marks what is not built.
pub(crate) fn of(kind: Kind) -> &'static Value {
    match kind {
        Kind::VirtualService => &SCHEMAS.virtual_service,
        Kind::DestinationRule => &SCHEMAS.destination_rule,
        Kind::Gateway => &SCHEMAS.gateway,
        Kind::ServiceEntry => &SCHEMAS.service_entry,
        Kind::Telemetry => &SCHEMAS.telemetry,
        Kind::PeerAuthentication => &SCHEMAS.peer_authentication,
    }
}

/// The schemas of all kinds.
struct Schemas {
    virtual_service: Value,
    destination_rule: Value,
    gateway: Value,
    service_entry: Value,
    telemetry: Value,
    peer_authentication: Value,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| Schemas {
    virtual_service: generate::<VirtualServiceSpec>(),
    destination_rule: generate::<DestinationRuleSpec>(),
    gateway: generate::<GatewaySpec>(),
    service_entry: generate::<ServiceEntrySpec>(),
    telemetry: generate::<TelemetrySpec>(),
    peer_authentication: generate::<PeerAuthenticationSpec>(),
});

/// The structural schema of a type.
fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    structural(
        settings
            .into_generator()
            .into_root_schema_for::<T>()
            .to_value(),
    )
}

/// Rewrites one schema, and those in it, into structural form: one type, no alternatives, no
/// defaults that an API server would write into objects.
fn structural(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else {
        return schema;
    };
    flatten_alternatives(&mut schema);
    for key in ["title", "default", "required", "$schema"] {
        schema.remove(key);
    }
    if let Some(Value::Array(types)) = schema.get("type") {
        let single = types
            .iter()
            .find(|name| *name != "null")
            .cloned()
            .unwrap_or_default();
        schema.insert("type".to_owned(), single);
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    sized(&mut schema);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for property in properties.values_mut() {
            *property = structural(property.take());
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            *inner = structural(inner.take());
        }
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    Value::Object(schema)
}

/// Replaces alternatives by the one schema that they mean: `Option<T>` by `T`, and the variants
/// of an enum by their names.
fn flatten_alternatives(schema: &mut Map<String, Value>) {
    for key in ["anyOf", "oneOf", "allOf"] {
        let Some(Value::Array(alternatives)) = schema.remove(key) else {
            continue;
        };
        let mut names = Vec::new();
        for alternative in alternatives {
            let Value::Object(alternative) = alternative else {
                continue;
            };
            if alternative.get("type") == Some(&json!("null")) {
                continue;
            }
            if let Some(name) = alternative.get("const") {
                names.push(name.clone());
            } else if let Some(Value::Array(more)) = alternative.get("enum") {
                names.extend(more.iter().cloned());
            } else {
                for (key, value) in alternative {
                    schema.entry(key).or_insert(value);
                }
            }
        }
        if !names.is_empty() {
            schema.insert("type".to_owned(), json!("string"));
            schema.insert("enum".to_owned(), Value::Array(names));
        }
        // What was merged in may have alternatives of its own.
        flatten_alternatives(schema);
        return;
    }
}

/// Replaces the formats of Rust's integers, which Kubernetes does not know, by limits.
fn sized(schema: &mut Map<String, Value>) {
    let Some(Value::String(format)) = schema.remove("format") else {
        return;
    };
    let (format, minimum, maximum) = match format.as_str() {
        "uint16" => ("int32", 0, i64::from(u16::MAX)),
        "uint32" => ("int64", 0, i64::from(u32::MAX)),
        _ => return,
    };
    schema.insert("format".to_owned(), json!(format));
    schema.insert("minimum".to_owned(), json!(minimum));
    schema.insert("maximum".to_owned(), json!(maximum));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place in a schema must have one type, or be free on purpose.
    fn check(schema: &Value, path: &str) {
        let Value::Object(schema) = schema else {
            panic!("{path} is {schema}");
        };
        for key in schema.keys() {
            assert!(
                [
                    "type",
                    "description",
                    "properties",
                    "items",
                    "additionalProperties",
                    "enum",
                    "format",
                    "minimum",
                    "maximum",
                    crate::not_built::MARK,
                    "x-kubernetes-preserve-unknown-fields"
                ]
                .contains(&key.as_str()),
                "{path} has {key}"
            );
        }
        assert!(
            schema.contains_key("type") != schema.contains_key(crate::not_built::MARK),
            "{path}"
        );
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            assert!(
                property.get("description").is_some(),
                "{path}.{name} has no description"
            );
            check(property, &format!("{path}.{name}"));
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                check(inner, &format!("{path}[]"));
            }
        }
    }

    #[test]
    fn every_schema_is_structural() {
        for kind in Kind::ALL {
            check(of(kind), kind.name());
        }
    }

    #[test]
    fn an_enum_is_its_names() {
        let simple = &of(Kind::DestinationRule)["properties"]["trafficPolicy"]["properties"]["loadBalancer"]
            ["properties"]["simple"];
        assert_eq!(
            simple["enum"],
            json!([
                "UNSPECIFIED",
                "LEAST_CONN",
                "RANDOM",
                "PASSTHROUGH",
                "ROUND_ROBIN",
                "LEAST_REQUEST"
            ])
        );
        assert_eq!(simple["type"], "string");
    }
}
