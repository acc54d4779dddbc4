//! The mesh's configuration: Istio's MeshConfig, as far as discovery uses it.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::model::{LoadBalancer, MeshConfig, OutboundPolicy, is_export};

/// What the flags say about the mesh.
#[derive(Debug, Clone)]
pub(in crate::discovery) struct Defaults {
    /// The cluster's DNS domain.
    pub domain: Arc<str>,
    /// The namespace that Pillion is installed in.
    pub namespace: Arc<str>,
    /// How requests are balanced where no DestinationRule says.
    pub load_balancer: LoadBalancer,
}

/// What the ConfigMap says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::discovery) struct Mesh {
    /// What the model uses.
    pub model: MeshConfig,
    /// `accessLogFile`, for proxies that are told by their listeners (Envoy). Empty for none.
    pub access_log_file: Arc<str>,
    /// `accessLogFormat` as text. Empty for Envoy's own format.
    pub access_log_format: Arc<str>,
    /// `defaultConfig.gatewayTopology.numTrustedProxies`.
    pub trusted_proxies: u32,
}

impl Mesh {
    /// The configuration without a ConfigMap.
    pub fn default_of(defaults: &Defaults) -> Self {
        Self {
            model: MeshConfig {
                domain: Arc::clone(&defaults.domain),
                root_namespace: Arc::clone(&defaults.namespace),
                load_balancer: defaults.load_balancer,
                ..MeshConfig::default()
            },
            access_log_file: "".into(),
            access_log_format: "".into(),
            trusted_proxies: 0,
        }
    }

    /// Reads the key `mesh` of the ConfigMap.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, field by field. A field that discovery does not use is not
    /// looked at.
    pub fn parse(text: &str, defaults: &Defaults) -> Result<Self, Vec<String>> {
        let value = pillion_inject::yaml::parse(text).map_err(|error| vec![error.to_string()])?;
        let mut mesh = Self::default_of(defaults);
        let fields = match &value {
            Value::Null => return Ok(mesh),
            Value::Object(fields) => fields,
            _ => return Err(vec!["must be a map of fields".to_owned()]),
        };
        let mut faults = Vec::new();
        let mut is_text = true;
        for (name, value) in fields {
            let read = match camel_case(name).as_str() {
                "outboundTrafficPolicy" => outbound(value).map(|read| mesh.model.outbound = read),
                "rootNamespace" => text_of(value).map(|read| {
                    if !read.is_empty() {
                        mesh.model.root_namespace = read.into();
                    }
                }),
                "connectTimeout" => duration(value).map(|read| mesh.model.connect_timeout = read),
                "defaultConfig" => trusted_proxies(value).map(|read| mesh.trusted_proxies = read),
                "defaultServiceExportTo" => {
                    exports(value).map(|read| mesh.model.exports.services = read)
                }
                "defaultVirtualServiceExportTo" => {
                    exports(value).map(|read| mesh.model.exports.virtual_services = read)
                }
                "defaultDestinationRuleExportTo" => {
                    exports(value).map(|read| mesh.model.exports.destination_rules = read)
                }
                "accessLogFile" => text_of(value).map(|read| mesh.access_log_file = read.into()),
                "accessLogFormat" => {
                    text_of(value).map(|read| mesh.access_log_format = read.into())
                }
                "accessLogEncoding" => text_of(value).map(|read| is_text = read != "JSON"),
                _ => Ok(()),
            };
            if let Err(fault) = read {
                faults.push(format!("{name}: {fault}"));
            }
        }
        if !is_text {
            // It is a map of formats then.
            mesh.access_log_format = "".into();
        }
        if faults.is_empty() {
            Ok(mesh)
        } else {
            Err(faults)
        }
    }
}

/// A field's name as JSON has it. Protobuf also reads the other form, `connect_timeout`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.extend(letters);
    }
    text
}

/// The field of a map, in either form.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_object()?;
    let found = fields.iter().find(|(key, _)| camel_case(key) == name);
    found.map(|(_, value)| value)
}

fn text_of(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("must be text, not {value}"))
}

/// Reads a list of namespaces as of `exportTo`.
fn exports(value: &Value) -> Result<Vec<Arc<str>>, String> {
    let entries = value.as_array().map(Vec::as_slice);
    let entries = entries.unwrap_or_default().iter().map(Value::as_str);
    let entries: Option<Vec<&str>> = entries.collect();
    let is_list = value.is_array() || value.is_null();
    let entries = entries.filter(|_| is_list);
    let entries = entries.filter(|entries| entries.iter().all(|entry| is_export(entry)));
    let read = entries.map(|entries| entries.into_iter().map(Arc::from).collect());
    read.ok_or_else(|| "must be a list of namespaces, `.`, `~` and `*`".to_owned())
}

fn outbound(value: &Value) -> Result<OutboundPolicy, String> {
    match value.get("mode").map(Value::as_str) {
        None => Ok(OutboundPolicy::AllowAny),
        Some(Some("ALLOW_ANY")) => Ok(OutboundPolicy::AllowAny),
        Some(Some("REGISTRY_ONLY")) => Ok(OutboundPolicy::RegistryOnly),
        Some(_) => Err("mode must be ALLOW_ANY or REGISTRY_ONLY".to_owned()),
    }
}

fn trusted_proxies(value: &Value) -> Result<u32, String> {
    let topology = field(value, "gatewayTopology");
    let number = topology.and_then(|topology| field(topology, "numTrustedProxies"));
    let number = number.map(|number| number.as_u64().and_then(|number| number.try_into().ok()));
    match number {
        None => Ok(0),
        Some(Some(number)) => Ok(number),
        Some(None) => Err("gatewayTopology.numTrustedProxies must be a number".to_owned()),
    }
}

/// Reads a duration in the syntax of Go, with one unit: `10s`, `500ms`.
fn duration(value: &Value) -> Result<Duration, String> {
    let text = text_of(value)?;
    let read = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if read < Duration::from_millis(1) {
        return Err("must be at least 1ms".to_owned());
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Mesh, Vec<String>> {
        Mesh::parse(
            text,
            &Defaults {
                domain: "cluster.local".into(),
                namespace: "mesh".into(),
                load_balancer: LoadBalancer::RoundRobin,
            },
        )
    }

    #[test]
    fn an_empty_text_has_the_defaults() {
        for text in ["", "{}"] {
            let mesh = parse(text).unwrap();
            assert_eq!(&*mesh.model.root_namespace, "mesh");
            assert_eq!(mesh.model.load_balancer, LoadBalancer::RoundRobin);
            assert_eq!(mesh.model.outbound, OutboundPolicy::AllowAny);
        }
    }

    #[test]
    fn reads_what_discovery_uses() {
        let mesh = parse(
            "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nrootNamespace: root\nconnect_timeout: 3s\n\
             accessLogFile: /dev/stdout\naccessLogFormat: '%PROTOCOL%'\ntrustDomain: td\ndefault_config: {gateway_topology: {numTrustedProxies: 2}}\n",
        )
        .unwrap();
        assert_eq!(mesh.model.outbound, OutboundPolicy::RegistryOnly);
        assert_eq!(&*mesh.model.root_namespace, "root");
        assert_eq!(mesh.model.connect_timeout, Duration::from_secs(3));
        assert_eq!(&*mesh.access_log_file, "/dev/stdout");
        assert_eq!(&*mesh.access_log_format, "%PROTOCOL%");
        assert_eq!(mesh.trusted_proxies, 2);
    }

    #[test]
    fn reads_whose_clients_see_what_does_not_say_so() {
        let mesh = parse(
            "defaultServiceExportTo: ['.', other]\ndefault_virtual_service_export_to: ['~']\n\
             defaultDestinationRuleExportTo: ['*']\n",
        );
        let exports = mesh.unwrap().model.exports;
        assert_eq!(exports.services, [".", "other"].map(Arc::<str>::from));
        assert_eq!(exports.virtual_services, ["~"].map(Arc::<str>::from));
        assert_eq!(exports.destination_rules, ["*"].map(Arc::<str>::from));
        for bad in ["x", "[1]", "['a/b']", "['']", "{}"] {
            let text = format!("defaultServiceExportTo: {bad}");
            assert!(parse(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_each_field_that_is_wrong() {
        let faults =
            parse("connectTimeout: soon\noutboundTrafficPolicy: {mode: NONE}\n").unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults
                .iter()
                .any(|fault| fault.starts_with("connectTimeout: "))
        );
        assert!(faults.iter().any(|fault| fault.contains("REGISTRY_ONLY")));
        assert!(parse("- a").is_err());
    }
}
