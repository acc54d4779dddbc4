//! The key `mesh`: Istio's MeshConfig, as far as injection reads it.

use minijinja::{Value as Context, value::Serde};
use serde_json::{Map, Value};

use crate::yaml;

use crate::inject::{
    checks::{duration, interception_mode, variable},
    pod::kind_of,
};

/// What injection reads of the mesh's configuration.
#[derive(Debug)]
pub(in crate::inject) struct Mesh {
    /// `enablePrometheusMerge`; on unless switched off.
    pub prometheus_merge: bool,
    /// `defaultConfig`.
    pub default_config: ProxyConfig,
    /// The whole, as templates see it.
    pub context: Context,
}

impl Mesh {
    /// Reads the key; an empty one stands for the defaults.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let value = yaml::parse_bounded(text, yaml::CONFIGURATION)
            .map_err(|error| vec![error.to_string()])?;
        let mesh = match &value {
            Value::Null => &Map::new(),
            Value::Object(map) => map,
            other => {
                return Err(vec![format!(
                    "a mapping is wanted, this is {}",
                    kind_of(other)
                )]);
            }
        };
        let mut faults = Vec::new();
        let prometheus_merge = match mesh.get("enablePrometheusMerge") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(on)) => *on,
            Some(other) => {
                faults.push(format!("enablePrometheusMerge: {other} is no boolean"));
                true
            }
        };
        let default_config = match mesh.get("defaultConfig") {
            None | Some(Value::Null) => ProxyConfig::default(),
            Some(value) if !value.is_object() => {
                faults.push(format!(
                    "defaultConfig: a mapping is wanted, this is {}",
                    kind_of(value)
                ));
                ProxyConfig::default()
            }
            Some(value) => ProxyConfig::new(value).unwrap_or_else(|found| {
                faults.extend(
                    found
                        .into_iter()
                        .map(|fault| format!("defaultConfig.{fault}")),
                );
                ProxyConfig::default()
            }),
        };
        if faults.is_empty() {
            Ok(Self {
                prometheus_merge,
                default_config,
                context: Context::from(Serde(mesh)),
            })
        } else {
            Err(faults)
        }
    }
}

/// Characters of a value that a message quotes.
const LONGEST_QUOTE: usize = 200;

/// Istio's ProxyConfig: the fields that have been set, each of its right type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::inject) struct ProxyConfig(Map<String, Value>);

/// What a field of ProxyConfig holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Port,
    Count,
    Texts,
    /// By the names of environment variables.
    Variables,
    Mapping,
    TextList,
    Duration,
    InterceptionMode,
}

/// The fields of Istio's ProxyConfig (`mesh.istio.io/v1alpha1`).
const FIELDS: &[(&str, Kind)] = &[
    ("binaryPath", Kind::Text),
    ("caCertificatesPem", Kind::TextList),
    ("concurrency", Kind::Count),
    ("configPath", Kind::Text),
    ("controlPlaneAuthPolicy", Kind::Text),
    ("customConfigFile", Kind::Text),
    ("discoveryAddress", Kind::Text),
    ("discoveryRefreshDelay", Kind::Duration),
    ("drainDuration", Kind::Duration),
    ("envoyAccessLogService", Kind::Mapping),
    ("envoyMetricsService", Kind::Mapping),
    ("extraStatTags", Kind::TextList),
    ("fileFlushInterval", Kind::Duration),
    ("fileFlushMinSizeKb", Kind::Count),
    ("gatewayTopology", Kind::Mapping),
    ("holdApplicationUntilProxyStarts", Kind::Flag),
    ("image", Kind::Mapping),
    ("interceptionMode", Kind::InterceptionMode),
    ("meshId", Kind::Text),
    ("parentShutdownDuration", Kind::Duration),
    ("privateKeyProvider", Kind::Mapping),
    ("proxyAdminPort", Kind::Port),
    ("proxyBootstrapTemplatePath", Kind::Text),
    ("proxyHeaders", Kind::Mapping),
    ("proxyMetadata", Kind::Variables),
    ("proxyStatsMatcher", Kind::Mapping),
    ("readinessProbe", Kind::Mapping),
    ("runtimeValues", Kind::Texts),
    ("serviceCluster", Kind::Text),
    ("statNameLength", Kind::Count),
    ("statsCompression", Kind::Flag),
    ("statsdUdpAddress", Kind::Text),
    ("statusPort", Kind::Port),
    ("terminationDrainDuration", Kind::Duration),
    ("tracing", Kind::Mapping),
    ("tracingServiceName", Kind::Text),
    ("zipkinAddress", Kind::Text),
];

impl ProxyConfig {
    /// Checks a ProxyConfig that was read from YAML or JSON.
    ///
    /// # Errors
    ///
    /// Every field that is unknown or of a wrong type.
    pub fn new(value: &Value) -> Result<Self, Vec<String>> {
        let Value::Object(map) = value else {
            return Err(vec![format!(
                "a mapping is wanted, this is {}",
                kind_of(value)
            )]);
        };
        let mut fields = Map::new();
        let mut faults = Vec::new();
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let name = camel_case(key);
            match FIELDS.iter().find(|(field, _)| *field == name) {
                None => faults.push(format!("{key}: no field of ProxyConfig")),
                Some((_, kind)) => match kind.check(value) {
                    Ok(()) => {
                        fields.insert(name, value.clone());
                    }
                    Err(wanted) => {
                        let value: String = value.to_string().chars().take(LONGEST_QUOTE).collect();
                        faults.push(format!("{key}: {wanted} is wanted, this is {value}"));
                    }
                },
            }
        }
        if faults.is_empty() {
            Ok(Self(fields))
        } else {
            Err(faults)
        }
    }

    /// This one with another laid over it. Mappings are merged, all else replaced.
    pub fn overlaid_with(&self, over: &Self) -> Self {
        let mut merged = self.0.clone();
        overlay(&mut merged, &over.0);
        Self(merged)
    }

    /// A field that holds text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }

    /// A field that holds true or false.
    pub fn flag(&self, field: &str) -> bool {
        self.0.get(field) == Some(&Value::Bool(true))
    }

    /// `statusPort`.
    pub fn status_port(&self) -> Option<u16> {
        self.0.get("statusPort")?.as_u64()?.try_into().ok()
    }

    /// `proxyMetadata`, by name.
    pub fn proxy_metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .get("proxyMetadata")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// As JSON, for the proxy's environment.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

impl Kind {
    fn check(self, value: &Value) -> Result<(), &'static str> {
        let (right, wanted) = match self {
            Self::Text => (value.is_string(), "a string"),
            Self::Flag => (value.is_boolean(), "true or false"),
            Self::Port => (
                value.as_u64().is_some_and(|port| port <= 65535),
                "a port number",
            ),
            Self::Count => (value.as_u64().is_some(), "a whole number"),
            Self::Mapping => (value.is_object(), "a mapping"),
            Self::Texts => (
                value
                    .as_object()
                    .is_some_and(|map| map.values().all(Value::is_string)),
                "a mapping of strings",
            ),
            Self::Variables => (
                value.as_object().is_some_and(|map| {
                    map.iter()
                        .all(|(name, value)| variable(name).is_ok() && value.is_string())
                }),
                "a mapping of strings by the names of environment variables",
            ),
            Self::Duration => (
                value.as_str().is_some_and(|text| duration(text).is_ok()),
                "a number of seconds such as 5s or 1.5s",
            ),
            Self::InterceptionMode => (
                value
                    .as_str()
                    .is_some_and(|mode| interception_mode(mode).is_ok()),
                "REDIRECT, TPROXY or NONE",
            ),
            Self::TextList => (
                value
                    .as_array()
                    .is_some_and(|list| list.iter().all(Value::is_string)),
                "a list of strings",
            ),
        };
        if right { Ok(()) } else { Err(wanted) }
    }
}

fn overlay(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => overlay(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Protobuf's JSON takes `proxy_metadata` for `proxyMetadata`.
fn camel_case(key: &str) -> String {
    let mut parts = key.split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn overlays_proxy_metadata_key_by_key() {
        let base =
            ProxyConfig::new(&json!({"concurrency": 2, "proxyMetadata": {"A": "1", "B": "2"}}))
                .unwrap();
        let over =
            ProxyConfig::new(&json!({"proxy_metadata": {"B": "3"}, "concurrency": 0})).unwrap();
        let merged = base.overlaid_with(&over);
        let metadata: Vec<_> = merged.proxy_metadata().collect();
        assert_eq!(metadata, [("A", "1"), ("B", "3")]);
        assert_eq!(merged.0["concurrency"], 0);
    }

    #[test]
    fn rejects_unknown_fields_and_wrong_types_all_at_once() {
        let faults = ProxyConfig::new(
            &json!({"concurency": 2, "statusPort": 70000, "proxyMetadata": {"A": 1}}),
        )
        .unwrap_err();
        assert_eq!(
            faults,
            [
                "concurency: no field of ProxyConfig",
                "proxyMetadata: a mapping of strings by the names of environment variables is wanted, this is {\"A\":1}",
                "statusPort: a port number is wanted, this is 70000",
            ]
        );
    }

    #[test]
    fn rejects_durations_and_names_of_variables_that_are_none() {
        let faults = ProxyConfig::new(
            &json!({"drainDuration": "abc", "terminationDrainDuration": "5s", "proxyMetadata": {"A=B": "1"}}),
        )
        .unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn rejects_an_interception_mode_that_is_none() {
        for mode in ["none", "FOO", ""] {
            let faults = ProxyConfig::new(&json!({ "interceptionMode": mode })).unwrap_err();
            assert!(faults[0].contains("REDIRECT, TPROXY or NONE"), "{faults:?}");
        }
    }

    #[test]
    fn an_empty_key_stands_for_the_defaults() {
        let mesh = Mesh::parse("").unwrap();
        assert!(mesh.prometheus_merge);
        assert_eq!(mesh.default_config.status_port(), None);
    }

    #[test]
    fn rejects_a_mesh_that_is_no_mapping() {
        assert_eq!(
            Mesh::parse("- a").unwrap_err(),
            ["a mapping is wanted, this is a list"]
        );
    }
}
