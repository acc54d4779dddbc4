//! Reads the key `mesh`.

use minijinja::{Value as Context, value::Serde};
use serde_json::{Map, Value};

use super::mesh_fields;
use crate::{
    config::{fields::camel_case, mesh::Mesh, proxy_config::ProxyConfig},
    fault::Fault,
    pod::kind_of,
    unsupported, yaml,
};

/// Reads the key; an empty one stands for the defaults.
pub(super) fn parse(text: &str) -> Result<Mesh, Vec<Fault>> {
    let value = yaml::parse_bounded(text, yaml::CONFIGURATION)
        .map_err(|error| vec![Fault::new(error.to_string())])?;
    let mesh = match value {
        Value::Null => Map::new(),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| (camel_case(&name), value))
            .collect(),
        other => {
            let message = format!("must be a mapping, not {}", kind_of(&other));
            return Err(vec![Fault::new(message)]);
        }
    };
    let mesh = &mesh;
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
    faults.extend(access_log_faults(mesh));
    faults.extend(dns_capture_fault(&default_config));
    if faults.is_empty() {
        Ok(Mesh {
            prometheus_merge,
            default_config,
            warnings: mesh_fields::unknown(mesh),
            context: Context::from(Serde(mesh)),
        })
    } else {
        Err(faults)
    }
}

/// A sidecar would find these out, and each would have its log off without telling here.
fn access_log_faults(mesh: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    match mesh.get("accessLogFile") {
        None | Some(Value::Null) => {}
        Some(Value::String(path)) if path.is_empty() || path.starts_with('/') => {}
        Some(other) => {
            let message = format!("must be an absolute path, such as /dev/stdout, not {other}");
            faults.push(Fault::at("accessLogFile", message));
        }
    }
    match mesh.get("accessLogEncoding") {
        None | Some(Value::Null) => {}
        Some(Value::String(encoding)) if ["TEXT", "JSON"].contains(&encoding.as_str()) => {}
        Some(other) => {
            let message = format!("must be TEXT or JSON, not {other}");
            faults.push(Fault::at("accessLogEncoding", message));
        }
    }
    faults
}

/// With it, the init container of every pod would fail.
fn dns_capture_fault(default_config: &ProxyConfig) -> Option<Fault> {
    let asked = unsupported::dns_capture(default_config.proxy_metadata())?;
    Some(Fault::at("defaultConfig.proxyMetadata", asked.to_string()))
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
    fn takes_the_names_of_fields_in_both_forms_of_protobuf() {
        let mesh = parse("enable_prometheus_merge: false\naccess_log_file: /dev/stdout").unwrap();
        assert!(!mesh.prometheus_merge);
        assert_eq!(
            mesh.context.get_attr("accessLogFile").unwrap().to_string(),
            "/dev/stdout"
        );
        assert_eq!(mesh.warnings, []);
    }

    #[test]
    fn rejects_a_mesh_that_is_not_a_mapping() {
        assert_eq!(
            parse("- a").unwrap_err(),
            [Fault::new("must be a mapping, not a list")]
        );
    }

    #[test]
    fn rejects_an_access_log_that_no_sidecar_could_write() {
        let faults = parse("accessLogFile: stdout\naccessLogEncoding: YAML").unwrap_err();
        assert_eq!(
            faults,
            [
                Fault::at(
                    "accessLogFile",
                    "must be an absolute path, such as /dev/stdout, not \"stdout\""
                ),
                Fault::at("accessLogEncoding", "must be TEXT or JSON, not \"YAML\""),
            ]
        );
        for mesh in [
            "accessLogFile: ''",
            "accessLogFile: /dev/stdout\naccessLogEncoding: JSON",
        ] {
            assert!(parse(mesh).is_ok(), "{mesh}");
        }
    }

    #[test]
    fn rejects_dns_capture_that_no_pod_could_start_with() {
        let mesh = |value| {
            format!("defaultConfig: {{proxyMetadata: {{ISTIO_META_DNS_CAPTURE: '{value}'}}}}")
        };
        let faults = parse(&mesh("true")).unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "defaultConfig.proxyMetadata: DNS capture (ISTIO_META_DNS_CAPTURE=true) is not supported by this version of \
             Pillion; leave ISTIO_META_DNS_CAPTURE out of proxyMetadata and of the containers' env"
        );
        assert!(parse(&mesh("false")).is_ok());
    }
}
