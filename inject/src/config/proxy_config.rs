//! Istio's ProxyConfig: how one proxy is set up, in the mesh and on a pod.

use serde_json::{Map, Value};

use super::{
    fields::{camel_case, wrong},
    overlay::overlay,
    tracing,
};
use crate::{
    fault::Fault,
    pod::kind_of,
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
    Address,
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
    ("zipkinAddress", Kind::Address),
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
                Some((_, kind)) => {
                    let found = kind.faults(value);
                    if found.is_empty() {
                        fields.insert(name, value.clone());
                    }
                    faults.extend(found.into_iter().map(|fault| fault.in_field(key)));
                }
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

    /// What `tracing` asks for in vain.
    pub fn tracing_warnings(&self) -> Vec<String> {
        let tracing = self.0.get("tracing");
        tracing.map(tracing::warnings).unwrap_or_default()
    }

    /// As JSON, for the proxy's environment.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

impl Kind {
    /// What is wrong with a value.
    fn faults(self, value: &Value) -> Vec<Fault> {
        match (self.check(value), self) {
            (Err(expected), _) => vec![wrong(expected, value)],
            (Ok(()), Self::Tracing) => tracing::faults(value),
            (Ok(()), _) => Vec::new(),
        }
    }

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
            Self::Mapping | Self::Tracing => (value.is_object(), "a mapping"),
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
            Self::Address => (value.as_str().is_some_and(tracing::is_address), "HOST:PORT"),
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
            assert!(
                said.starts_with("tracing.sampling: must be a number from 0 to 100, not "),
                "{said}"
            );
        }
    }

    #[test]
    fn rejects_a_collector_that_is_nowhere() {
        let faults = ProxyConfig::new(
            &json!({"zipkinAddress": "zipkin", "tracing": {"zipkin": {"address": "zipkin"}}}),
        );
        assert_eq!(
            texts(&faults.unwrap_err()),
            [
                "tracing.zipkin.address: must be HOST:PORT, not \"zipkin\"",
                "zipkinAddress: must be HOST:PORT, not \"zipkin\"",
            ]
        );
        let faults = ProxyConfig::new(&json!({"tracing": ["sampling"]})).unwrap_err();
        assert_eq!(
            texts(&faults),
            ["tracing: must be a mapping, not [\"sampling\"]"]
        );
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
