//! Reads the key `mesh`.

use minijinja::{Value as Context, value::Serde};
use serde_json::{Map, Value};

use crate::{
    config::{mesh::Mesh, proxy_config::ProxyConfig},
    fault::Fault,
    pod::kind_of,
    yaml,
};

/// Reads the key; an empty one stands for the defaults.
pub(super) fn parse(text: &str) -> Result<Mesh, Vec<Fault>> {
    let value = yaml::parse_bounded(text, yaml::CONFIGURATION)
        .map_err(|error| vec![Fault::new(error.to_string())])?;
    let mesh = match &value {
        Value::Null => &Map::new(),
        Value::Object(map) => map,
        other => {
            let message = format!("must be a mapping, not {}", kind_of(other));
            return Err(vec![Fault::new(message)]);
        }
    };
    let mut faults = Vec::new();
    let prometheus_merge = match mesh.get("enablePrometheusMerge") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(on)) => *on,
        Some(other) => {
            let message = format!("must be true or false, not {other}");
            faults.push(Fault::at("enablePrometheusMerge", message));
            true
        }
    };
    let default_config = match mesh.get("defaultConfig") {
        None | Some(Value::Null) => ProxyConfig::default(),
        Some(value) => ProxyConfig::new(value).unwrap_or_else(|found| {
            let found = found.into_iter();
            faults.extend(found.map(|fault| fault.in_field("defaultConfig")));
            ProxyConfig::default()
        }),
    };
    if faults.is_empty() {
        Ok(Mesh {
            prometheus_merge,
            default_config,
            context: Context::from(Serde(mesh)),
        })
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_key_stands_for_the_defaults() {
        let mesh = parse("").unwrap();
        assert!(mesh.prometheus_merge);
        assert_eq!(mesh.default_config.status_port(), None);
    }

    #[test]
    fn rejects_a_mesh_that_is_not_a_mapping() {
        assert_eq!(
            parse("- a").unwrap_err(),
            [Fault::new("must be a mapping, not a list")]
        );
    }
}
