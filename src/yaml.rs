//! YAML as Kubernetes reads and writes it.

use serde_json::Value;

/// Text that is not YAML, or that YAML can't hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Reads one document. An empty one is `null`.
///
/// # Errors
///
/// With the line and column where reading stopped.
pub fn parse(text: &str) -> Result<Value, Error> {
    serde_saphyr::from_str(text).map_err(|error| Error(error.to_string()))
}

/// Writes one document, without a `---` line.
///
/// # Errors
///
/// When the value has no form in YAML.
pub fn to_string(value: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error(error.to_string()))
}
