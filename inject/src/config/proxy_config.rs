//! Istio's ProxyConfig: how one proxy is set up, in the mesh and on a pod.

use serde_json::{Map, Value};

use super::overlay::overlay;
use crate::{
    fault::Fault,
    pod::kind_of,
    quote,
    value_checks::{duration, interception_mode, variable_name},
};

/// Istio's ProxyConfig: the fields that have been set, each of its right type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProxyConfig(Map<String, Value>);

/// The type of a field of ProxyConfig.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Port,
    Count,
    Texts,
    /// Strings by names of environment variables.
    Variables,
    Mapping,
    TextList,
    Duration,
    InterceptionMode,
    Tracing,
    WhenUnreachable,
}

/// What proxies do without a control plane: it is ours, and the whole mesh's alone.
pub(crate) const WHEN_UNREACHABLE: &str = "whenUnreachable";

/// The fields of Istio's ProxyConfig (`mesh.istio.io/v1alpha1`), and one of ours.
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
    ("tracing", Kind::Tracing),
    ("tracingServiceName", Kind::Text),
    (WHEN_UNREACHABLE, Kind::WhenUnreachable),
    ("zipkinAddress", Kind::Text),
];

impl ProxyConfig {
    /// Checks a ProxyConfig that was read from YAML or JSON.
    ///
    /// # Errors
    ///
    /// Every field that is unknown or has the wrong type.
    pub fn new(value: &Value) -> Result<Self, Vec<Fault>> {
        let Value::Object(map) = value else {
            let message = format!("must be a mapping, not {}", kind_of(value));
            return Err(vec![Fault::new(message)]);
        };
        let mut fields = Map::new();
        let mut faults = Vec::new();
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let name = camel_case(key);
            match FIELDS.iter().find(|(field, _)| *field == name) {
                None => faults.push(Fault::at(key, "unknown field")),
                Some((_, kind)) => match kind.check(value) {
                    Ok(()) => {
                        fields.insert(name, value.clone());
                    }
                    Err(expected) => {
                        let value = value.to_string();
                        let value = quote::excerpt(&value, quote::VALUE);
                        faults.push(Fault::at(key, format!("must be {expected}, not {value}")));
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

    /// This one with another laid over it: mappings are merged, everything else is
    /// replaced.
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

    /// Whether a field is set.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
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
    /// Checks a value; the error is what it must be.
    fn check(self, value: &Value) -> Result<(), &'static str> {
        let (is_valid, expected) = match self {
            Self::Text => (value.is_string(), "a string"),
            Self::Flag => (value.is_boolean(), "true or false"),
            Self::Port => (
                value.as_u64().is_some_and(|port| port <= 65535),
                "a port (0–65535)",
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
                        .all(|(name, value)| variable_name(name).is_ok() && value.is_string())
                }),
                "a mapping from names of environment variables to strings",
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
            Self::Tracing => (
                value.as_object().is_some_and(|map| {
                    let sampling = map.get("sampling").filter(|sampling| !sampling.is_null());
                    sampling.is_none_or(is_percentage)
                }),
                "a mapping, whose sampling is a number from 0 to 100",
            ),
            Self::WhenUnreachable => (
                matches!(value.as_str(), Some("Refuse" | "Passthrough")),
                "Refuse or Passthrough",
            ),
            Self::TextList => (
                value
                    .as_array()
                    .is_some_and(|list| list.iter().all(Value::is_string)),
                "a list of strings",
            ),
        };
        if is_valid { Ok(()) } else { Err(expected) }
    }
}

/// Whether a value is a number from 0 to 100.
fn is_percentage(value: &Value) -> bool {
    let number = value.as_f64();
    number.is_some_and(|number| (0.0..=100.0).contains(&number))
}

/// Protobuf's JSON takes `proxy_metadata` for `proxyMetadata`.
pub(crate) fn camel_case(key: &str) -> String {
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

    fn texts(faults: &[Fault]) -> Vec<String> {
        faults.iter().map(Fault::to_string).collect()
    }

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
            texts(&faults),
            [
                "concurency: unknown field",
                "proxyMetadata: must be a mapping from names of environment variables to strings, not {\"A\":1}",
                "statusPort: must be a port (0–65535), not 70000",
            ]
        );
    }

    #[test]
    fn rejects_invalid_durations_and_names_of_variables() {
        let faults = ProxyConfig::new(
            &json!({"drainDuration": "abc", "terminationDrainDuration": "5s", "proxyMetadata": {"A=B": "1"}}),
        )
        .unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn rejects_a_share_of_requests_that_is_none() {
        let tracing = |sampling: Value| {
            let config = ProxyConfig::new(&json!({"tracing": {"sampling": sampling}}));
            config.map_err(|faults| texts(&faults).join(", "))
        };
        for good in [json!(0), json!(12.5), json!(100), Value::Null] {
            assert!(tracing(good).is_ok());
        }
        for bad in [json!(-1), json!(100.5), json!("10")] {
            let said = tracing(bad).unwrap_err();
            assert!(said.contains("a number from 0 to 100"), "{said}");
        }
    }

    #[test]
    fn rejects_an_unknown_interception_mode() {
        for mode in ["none", "FOO", ""] {
            let faults = ProxyConfig::new(&json!({ "interceptionMode": mode })).unwrap_err();
            assert!(
                faults[0].message.contains("REDIRECT, TPROXY or NONE"),
                "{faults:?}"
            );
        }
    }
}
