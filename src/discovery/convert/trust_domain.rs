//! Trust domains in MeshConfig. Pure.

use std::sync::Arc;

use pillion_certs::SpiffeId;
use serde_json::Value;

use super::fields::text_of;

/// The most aliases: each is looked for in every handshake of every proxy.
const ALIASES: usize = 64;

/// Reads a trust domain; `None` if it is empty.
pub(super) fn domain(value: &Value) -> Result<Option<Arc<str>>, String> {
    if value.is_null() {
        return Ok(None);
    }
    match text_of(value)? {
        "" => Ok(None),
        text => checked(text).map(Some),
    }
}

/// Reads a list of trust domains.
pub(super) fn domains(value: &Value) -> Result<Vec<Arc<str>>, String> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let entries = value.as_array().ok_or("must be a list of trust domains")?;
    if entries.len() > ALIASES {
        return Err(format!("must be {ALIASES} trust domains at most"));
    }
    let entries = entries.iter().map(|entry| checked(text_of(entry)?));
    entries.collect()
}

/// Checks that identities can be in a trust domain.
///
/// # Errors
///
/// Returns what a trust domain may consist of.
pub(in crate::discovery) fn checked(text: &str) -> Result<Arc<str>, String> {
    match SpiffeId::new(text, "namespace", "account") {
        Ok(_) => Ok(text.into()),
        Err(_) => Err(format!(
            "must be a trust domain of at most 255 lower-case letters, digits, dots, hyphens and underscores, not {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_identities_can_be_in() {
        assert_eq!(domain(&json!("td.example")), Ok(Some("td.example".into())));
        for none in [json!(""), json!(null)] {
            assert_eq!(domain(&none), Ok(None));
        }
        for bad in [
            json!("TD"),
            json!("a/b"),
            json!("*"),
            json!(1),
            json!("a".repeat(256)),
        ] {
            assert!(domain(&bad).is_err(), "{bad}");
            assert!(domains(&json!([bad])).is_err(), "{bad}");
        }
    }

    #[test]
    fn aliases_are_a_short_list() {
        assert_eq!(domains(&json!(null)), Ok(Vec::new()));
        assert!(domains(&json!("a")).is_err());
        assert!(domains(&json!(vec!["a"; ALIASES])).is_ok());
        assert!(domains(&json!(vec!["a"; ALIASES + 1])).is_err());
    }
}
