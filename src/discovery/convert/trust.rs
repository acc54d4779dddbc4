//! Trust domains, as MeshConfig names them. Pure.

use std::sync::Arc;

use pillion_certs::SpiffeId;
use serde_json::Value;

use super::fields::text_of;

/// How many aliases there are: every certificate is compared with each.
const MOST: usize = 64;

/// Reads a trust domain.
pub(super) fn trust_domain(value: &Value) -> Result<Arc<str>, String> {
    let text = text_of(value)?;
    match SpiffeId::new(text, "default", "default") {
        Ok(_) => Ok(text.into()),
        Err(_) => Err(
            "must be a trust domain: lower-case letters, digits, `.`, `-` and `_`, without \
             spiffe:// in front of it"
                .to_owned(),
        ),
    }
}

/// Reads a list of trust domains.
pub(super) fn trust_domains(value: &Value) -> Result<Vec<Arc<str>>, String> {
    let list = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list,
        _ => return Err("must be a list of trust domains".to_owned()),
    };
    if list.len() > MOST {
        let count = list.len();
        return Err(format!(
            "has {count} elements; there can't be more than {MOST}"
        ));
    }
    list.iter().map(trust_domain).collect()
}
