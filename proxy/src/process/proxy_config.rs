//! Istio's ProxyConfig, as far as the proxy does what it says.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Map, Value};

use crate::pipeline::Edge;

/// The fields that the proxy honours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProxyConfig {
    /// Workers; `None` leaves it to the container's CPU limit, 0 means one for each core.
    pub concurrency: Option<usize>,
    /// How long connections may go on once the pod is told to end (default 5 s).
    pub termination_drain_duration: Duration,
    /// `gatewayTopology`: how far a gateway believes its clients.
    pub edge: Edge,
    /// `discoveryAddress`: the control plane, as `HOST:PORT`.
    pub discovery_address: Option<String>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            concurrency: None,
            termination_drain_duration: Duration::from_secs(5),
            edge: Edge::default(),
            discovery_address: None,
        }
    }
}

/// Something that is not as it should be, and what is used instead.
pub(super) type Remark = String;

/// The fields of Istio's ProxyConfig that the proxy has nothing to do with: they concern
/// the injector, or Envoy's own files and processes. `whenUnreachable` is ours, and reaches the
/// proxy by a variable that no pod's annotation changes.
const OTHERS: [&str; 15] = [
    "binaryPath",
    "configPath",
    "controlPlaneAuthPolicy",
    "discoveryRefreshDelay",
    "holdApplicationUntilProxyStarts",
    "image",
    "interceptionMode",
    "parentShutdownDuration",
    "proxyAdminPort",
    "proxyMetadata",
    "readinessProbe",
    "serviceCluster",
    "statNameLength",
    "statusPort",
    "whenUnreachable",
];

impl ProxyConfig {
    /// Reads the JSON that the injector wrote.
    pub fn parse(text: &str) -> (Self, Vec<Remark>) {
        let mut config = Self::default();
        if text.trim().is_empty() {
            return (config, Vec::new());
        }
        let fields: Map<String, Value> = match serde_json::from_str(text) {
            Ok(fields) => fields,
            Err(error) => {
                let remark =
                    format!("PROXY_CONFIG is not a JSON object ({error}); the defaults are used");
                return (config, vec![remark]);
            }
        };
        let mut remarks = Vec::new();
        let mut unused = BTreeSet::new();
        for (name, value) in &fields {
            match name.as_str() {
                "concurrency" => match count(value) {
                    Some(count) => config.concurrency = Some(count),
                    None => remarks.push(format!(
                        "PROXY_CONFIG: concurrency must be a whole number, not {value}; it follows the CPU limit instead"
                    )),
                },
                "terminationDrainDuration" => match value.as_str().and_then(duration) {
                    Some(duration) => config.termination_drain_duration = duration,
                    None => remarks.push(format!(
                        "PROXY_CONFIG: terminationDrainDuration must be a duration such as 5s, not {value}; 5s is used instead"
                    )),
                },
                "discoveryAddress" => match value.as_str() {
                    Some(address) => config.discovery_address = Some(address.to_owned()),
                    None => remarks.push(format!(
                        "PROXY_CONFIG: discoveryAddress must be HOST:PORT, not {value}; the default is used instead"
                    )),
                },
                "gatewayTopology" => remarks.extend(config.read_topology(value)),
                name if OTHERS.contains(&name) => {}
                name => {
                    unused.insert(name);
                }
            }
        }
        if !unused.is_empty() {
            let names = unused.into_iter().collect::<Vec<_>>().join(", ");
            remarks.push(format!(
                "PROXY_CONFIG: not supported by this proxy and ignored: {names}"
            ));
        }
        (config, remarks)
    }
}

impl ProxyConfig {
    fn read_topology(&mut self, topology: &Value) -> Vec<Remark> {
        const CERTIFICATES: [&str; 6] = [
            "UNDEFINED",
            "SANITIZE",
            "FORWARD_ONLY",
            "APPEND_FORWARD",
            "SANITIZE_SET",
            "ALWAYS_FORWARD_ONLY",
        ];
        let mut remarks = Vec::new();
        for (name, value) in topology.as_object().into_iter().flatten() {
            match name.as_str() {
                "numTrustedProxies" => match count(value) {
                    Some(count) => self.edge.trusted_proxies = count,
                    None => remarks.push(format!(
                        "PROXY_CONFIG: gatewayTopology.numTrustedProxies must be a whole number, not {value}; no proxy is trusted"
                    )),
                },
                "forwardClientCertDetails" => match value.as_str() {
                    Some(kind) if CERTIFICATES.contains(&kind) => {
                        self.edge.keeps_client_cert = kind == "ALWAYS_FORWARD_ONLY";
                    }
                    _ => remarks.push(format!(
                        "PROXY_CONFIG: gatewayTopology.forwardClientCertDetails must be one of {}, not {value}; x-forwarded-client-cert is removed",
                        CERTIFICATES.join(", ")
                    )),
                },
                name => remarks.push(format!(
                    "PROXY_CONFIG: not supported by this proxy and ignored: gatewayTopology.{name}"
                )),
            }
        }
        remarks
    }
}

/// Protobuf's JSON writes some numbers as strings.
fn count(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => usize::try_from(other.as_u64()?).ok(),
    }
}

/// A duration as protobuf's JSON (`5s`, `0.5s`) and Go (`1m30s`, `500ms`) write it.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let (_, size) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        rest = &rest[end..];
        seconds += number * size;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_injector_writes() {
        let text = r#"{"concurrency": 3, "terminationDrainDuration": "1m30s", "statusPort": 15020,
            "discoveryAddress": "pillion-discovery.istio-system.svc:15012"}"#;
        let (config, remarks) = ProxyConfig::parse(text);
        assert_eq!(config.concurrency, Some(3));
        let address = config.discovery_address.as_deref();
        assert_eq!(address, Some("pillion-discovery.istio-system.svc:15012"));
        assert_eq!(config.termination_drain_duration, Duration::from_secs(90));
        assert_eq!(remarks, [""; 0]);
        assert_eq!(ProxyConfig::parse("").0, ProxyConfig::default());
    }

    #[test]
    fn says_what_is_used_instead_of_what_is_wrong() {
        let text = r#"{"concurrency": -1, "terminationDrainDuration": "soon", "tracing": {}, "extraStatTags": []}"#;
        let (config, remarks) = ProxyConfig::parse(text);
        assert_eq!(config, ProxyConfig::default());
        assert_eq!(remarks.len(), 3, "{remarks:?}");
        assert!(remarks[0].contains("concurrency") && remarks[0].contains("not -1"));
        assert!(remarks[1].contains("not \"soon\"; 5s is used instead"));
        assert!(remarks[2].ends_with("ignored: extraStatTags, tracing"));
        let (config, remarks) = ProxyConfig::parse("concurrency: 2");
        assert_eq!(config, ProxyConfig::default());
        assert!(remarks[0].contains("not a JSON object"));
    }

    #[test]
    fn reads_how_far_a_gateway_believes_its_clients() {
        let text = r#"{"gatewayTopology": {"numTrustedProxies": 2, "forwardClientCertDetails": "ALWAYS_FORWARD_ONLY"}}"#;
        let (config, remarks) = ProxyConfig::parse(text);
        assert_eq!(remarks, [""; 0]);
        assert_eq!(config.edge.trusted_proxies, 2);
        assert!(config.edge.keeps_client_cert);
        let text = r#"{"gatewayTopology": {"numTrustedProxies": -1, "forwardClientCertDetails": "ALL", "proxyProtocol": {}}}"#;
        let (config, remarks) = ProxyConfig::parse(text);
        assert_eq!(config, ProxyConfig::default());
        assert_eq!(remarks.len(), 3, "{remarks:?}");
    }

    #[test]
    fn reads_durations_of_protobuf_and_go() {
        for (text, milliseconds) in [
            ("5s", 5000),
            ("0.5s", 500),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "5", "s", "-1s", "5 s", "1d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
