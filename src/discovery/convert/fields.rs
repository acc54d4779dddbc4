//! Fields of Istio's MeshConfig and ProxyConfig, which are Protobuf's messages as YAML. Pure.

use std::time::Duration;

pub(super) use pillion_inject::camel_case;
use serde_json::Value;

/// The field of a map, in either form.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_object()?;
    let found = fields.iter().find(|(key, _)| camel_case(key) == name);
    found.map(|(_, value)| value)
}

/// A field that holds text.
pub(super) fn text_of(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("must be text, not {value}"))
}

/// Reads a duration in the syntax of Go, with one unit: `10s`, `500ms`.
pub(super) fn duration(value: &Value) -> Result<Duration, String> {
    let text = text_of(value)?;
    let read = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if read < Duration::from_millis(1) {
        return Err("must be at least 1ms".to_owned());
    }
    Ok(read)
}

/// The fields of a map, each with its name as JSON has it. None of what is `null`.
///
/// # Errors
///
/// Returns that it is no map.
pub(super) fn fields(value: &Value) -> Result<Vec<(String, &Value)>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(name, value)| (camel_case(name), value));
            Ok(fields.collect())
        }
        other => Err(format!("must be a map of fields, not {other}")),
    }
}

/// A field that holds true or false.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("must be true or false, not {value}"))
}

/// A field that holds a whole number.
pub(super) fn number(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    let most = u32::MAX;
    number.ok_or_else(|| format!("must be a number from 0 to {most}, without quotes, not {value}"))
}

/// A field that holds the number of a port.
pub(super) fn port(value: &Value) -> Result<u16, String> {
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    let number = number.filter(|number| *number > 0);
    number.ok_or_else(|| format!("must be a number from 1 to 65535, without quotes, not {value}"))
}

/// Puts a field's name in front of what is wrong with it.
pub(super) fn of_field<T>(name: &str, read: Result<T, String>) -> Result<T, String> {
    read.map_err(|fault| format!("{name}: {fault}"))
}
