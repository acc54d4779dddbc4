//! Fields of Protobuf's messages, as YAML or JSON.

use serde_json::Value;

use crate::{fault::Fault, quote};

/// A field's name as Protobuf's JSON has it, which also takes `proxy_metadata` for `proxyMetadata`.
#[must_use]
pub fn camel_case(key: &str) -> String {
    let mut parts = key.split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    name
}

/// What a value must be and is not.
pub(super) fn wrong(expected: &str, value: &Value) -> Fault {
    let value = value.to_string();
    let value = quote::excerpt(&value, quote::VALUE);
    Fault::new(format!("must be {expected}, not {value}"))
}
