//! The annotations that steer an injection, and what their values may be.
//!
//! All of a pod's faults come in one answer, so that one edit can mend them.

use std::{borrow::Cow, collections::HashSet};

use serde_json::{Map, Value};

use crate::json::{self, Account, Everything};

use super::{
    checks::{
        Check, boolean, interception_mode, interfaces, log_level, number, ports, ports_or_all,
        quantity, ranges, ranges_or_all, status_port,
    },
    config::ProxyConfig,
    pod::name,
};

pub(crate) const STATUS: &str = "sidecar.istio.io/status";
pub(super) const OVERRIDES: &str = "proxy.istio.io/overrides";
pub(super) const TEMPLATES: &str = "inject.istio.io/templates";
pub(crate) const PROXY_CONFIG: &str = "proxy.istio.io/config";
pub(super) const NATIVE_SIDECAR: &str = "sidecar.istio.io/nativeSidecar";
pub(super) const PROXY_IMAGE: &str = "sidecar.istio.io/proxyImage";
pub(super) const PROXY_IMAGE_TYPE: &str = "sidecar.istio.io/proxyImageType";
pub(super) const PROXY_CPU: &str = "sidecar.istio.io/proxyCPU";
pub(super) const PROXY_MEMORY: &str = "sidecar.istio.io/proxyMemory";
pub(super) const PROXY_CPU_LIMIT: &str = "sidecar.istio.io/proxyCPULimit";
pub(super) const PROXY_MEMORY_LIMIT: &str = "sidecar.istio.io/proxyMemoryLimit";
pub(super) const LOG_LEVEL: &str = "sidecar.istio.io/logLevel";
pub(super) const COMPONENT_LOG_LEVEL: &str = "sidecar.istio.io/componentLogLevel";
pub(super) const AGENT_LOG_LEVEL: &str = "sidecar.istio.io/agentLogLevel";
pub(super) const INTERCEPTION_MODE: &str = "sidecar.istio.io/interceptionMode";
pub(super) const REWRITE_PROBES: &str = "sidecar.istio.io/rewriteAppHTTPProbers";
pub(super) const BOOTSTRAP_OVERRIDE: &str = "sidecar.istio.io/bootstrapOverride";
pub(super) const CAP_NET_BIND_SERVICE: &str = "sidecar.istio.io/capNetBindService";
pub(super) const ENABLE_CORE_DUMP: &str = "sidecar.istio.io/enableCoreDump";
pub(super) const USER_VOLUME: &str = "sidecar.istio.io/userVolume";
pub(super) const USER_VOLUME_MOUNT: &str = "sidecar.istio.io/userVolumeMount";
pub(super) const STATUS_PORT: &str = "status.sidecar.istio.io/port";
pub(super) const READINESS_INITIAL_DELAY: &str =
    "readiness.status.sidecar.istio.io/initialDelaySeconds";
pub(super) const READINESS_PERIOD: &str = "readiness.status.sidecar.istio.io/periodSeconds";
pub(super) const READINESS_FAILURES: &str = "readiness.status.sidecar.istio.io/failureThreshold";
pub(super) const MERGE_METRICS: &str = "prometheus.istio.io/merge-metrics";
pub(super) const INCLUDE_OUTBOUND_RANGES: &str = "traffic.sidecar.istio.io/includeOutboundIPRanges";
pub(super) const EXCLUDE_OUTBOUND_RANGES: &str = "traffic.sidecar.istio.io/excludeOutboundIPRanges";
pub(super) const INCLUDE_INBOUND_PORTS: &str = "traffic.sidecar.istio.io/includeInboundPorts";
pub(super) const EXCLUDE_INBOUND_PORTS: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
pub(super) const INCLUDE_OUTBOUND_PORTS: &str = "traffic.sidecar.istio.io/includeOutboundPorts";
pub(super) const EXCLUDE_OUTBOUND_PORTS: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";
pub(super) const EXCLUDE_INTERFACES: &str = "traffic.sidecar.istio.io/excludeInterfaces";
pub(super) const REROUTE_INTERFACES: &str = "istio.io/reroute-virtual-interfaces";
pub(super) const KUBEVIRT_INTERFACES: &str = "traffic.sidecar.istio.io/kubevirtInterfaces";

/// Bytes of memory for the volumes or mounts of an annotation once they are read: four
/// times what 256 of them usually take.
const MEMORY_OF_OBJECTS: usize = 1024 * 1024;
/// So many volumes, and so many mounts, a pod may add by annotation.
const MOST_VOLUMES: usize = 256;
/// So many variables a pod may add to the proxy and the init container.
const MOST_VARIABLES: usize = 256;
/// Characters of a value that a message quotes.
const LONGEST_QUOTE: usize = 200;

const CHECKS: &[(&str, Check)] = &[
    (INTERCEPTION_MODE, interception_mode),
    (STATUS_PORT, status_port),
    (READINESS_INITIAL_DELAY, number),
    (READINESS_PERIOD, number),
    (READINESS_FAILURES, number),
    (INCLUDE_OUTBOUND_RANGES, ranges_or_all),
    (EXCLUDE_OUTBOUND_RANGES, ranges),
    (INCLUDE_INBOUND_PORTS, ports_or_all),
    (EXCLUDE_INBOUND_PORTS, ports),
    (INCLUDE_OUTBOUND_PORTS, ports),
    (EXCLUDE_OUTBOUND_PORTS, ports),
    (EXCLUDE_INTERFACES, interfaces),
    (REROUTE_INTERFACES, interfaces),
    (KUBEVIRT_INTERFACES, interfaces),
    (MERGE_METRICS, boolean),
    (REWRITE_PROBES, boolean),
    (PROXY_CONFIG, proxy_config),
    (PROXY_CPU, quantity),
    (PROXY_MEMORY, quantity),
    (PROXY_CPU_LIMIT, quantity),
    (PROXY_MEMORY_LIMIT, quantity),
    (LOG_LEVEL, log_level),
    (USER_VOLUME, volumes),
    (USER_VOLUME_MOUNT, mounts),
];

/// The faults of the annotations that the injector reads, but for those that are
/// taken as they are or only warned of.
pub(super) fn faults(annotations: &Map<String, Value>) -> Vec<String> {
    CHECKS
        .iter()
        .filter_map(|(name, check)| {
            let value = annotations.get(*name)?.as_str()?;
            let wanted = check(value).err()?;
            Some(format!(
                "invalid value {:?} for annotation {name:?}: {wanted}",
                shortened(value)
            ))
        })
        .collect()
}

/// Scalars, lists and mappings of a ProxyConfig; the largest known has a few hundred.
const MOST_NODES: usize = 4096;

/// A value as a message quotes it.
fn shortened(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(LONGEST_QUOTE) {
        None => value.into(),
        Some((end, _)) => format!("{}…", &value[..end]).into(),
    }
}

/// Reads the annotation `proxy.istio.io/config`.
pub(super) fn parse_proxy_config(text: &str) -> Result<ProxyConfig, String> {
    let config =
        match crate::yaml::parse_bounded(text, MOST_NODES).map_err(|error| error.to_string())? {
            Value::Null => ProxyConfig::default(),
            value => ProxyConfig::new(&value).map_err(|faults| faults.join(", "))?,
        };
    let variables = config.proxy_metadata().count();
    if variables > MOST_VARIABLES {
        return Err(format!(
            "proxyMetadata has {variables} entries, and at most {MOST_VARIABLES} are taken"
        ));
    }
    Ok(config)
}

fn proxy_config(value: &str) -> Result<(), String> {
    parse_proxy_config(value)
        .map(drop)
        .map_err(|fault| format!("not a ProxyConfig: {fault}"))
}

/// Reads an annotation of volumes or mounts: a JSON object that has each by its
/// name, or a JSON list of objects with names. `None` for anything else.
pub(super) fn by_name(text: &str) -> Option<Vec<Value>> {
    let has_name = |item: &Value| item["name"].as_str().is_some_and(|name| !name.is_empty());
    let account = Account::new(MEMORY_OF_OBJECTS);
    let value = json::read(text.as_bytes(), Everything(&account)).ok()?;
    match value {
        _ if account.is_exceeded() => None,
        Value::Array(items) => items.iter().all(has_name).then_some(items),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, mut object)| {
                object
                    .as_object_mut()?
                    .insert("name".to_owned(), name.into());
                Some(object)
            })
            .collect(),
        _ => None,
    }
}

fn volumes(value: &str) -> Result<(), String> {
    let volumes = at_most(value, MOST_VOLUMES, "volumes")?;
    let mut names = HashSet::new();
    match volumes.iter().find(|volume| !names.insert(name(volume))) {
        None => Ok(()),
        Some(volume) => Err(format!(
            "the volume {:?} is there twice",
            shortened(name(volume))
        )),
    }
}

fn mounts(value: &str) -> Result<(), String> {
    at_most(value, MOST_VOLUMES, "volume mounts").map(drop)
}

fn at_most(text: &str, most: usize, what: &str) -> Result<Vec<Value>, String> {
    let objects = by_name(text).ok_or_else(|| {
        "a JSON object that maps each volume's name to its fields is wanted, or a JSON list of objects that each have \
         the volume's name"
            .to_owned()
    })?;
    match objects.len() {
        count if count > most => Err(format!("{count} {what}, and at most {most} are taken")),
        _ => Ok(objects),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(name: &str, value: &str) -> Option<String> {
        let annotations = json!({ name: value });
        faults(annotations.as_object().unwrap()).pop()
    }

    #[test]
    fn accepts_what_istio_accepts() {
        for (name, value) in [
            (INTERCEPTION_MODE, "NONE"),
            (STATUS_PORT, "0"),
            (READINESS_PERIOD, "2147483647"),
            (INCLUDE_OUTBOUND_RANGES, "*"),
            (INCLUDE_OUTBOUND_RANGES, "127.0.0.1/24, 10.96.0.1/24"),
            (EXCLUDE_OUTBOUND_RANGES, ""),
            (EXCLUDE_OUTBOUND_RANGES, "2001:db8::/32"),
            (INCLUDE_INBOUND_PORTS, "*"),
            (INCLUDE_INBOUND_PORTS, "1,2,65535"),
            (EXCLUDE_INTERFACES, "eth1,net-2"),
            (MERGE_METRICS, "False"),
            (PROXY_CONFIG, "concurrency: 0\nproxyMetadata: {A: b}"),
            (PROXY_CONFIG, ""),
            (PROXY_CPU, "1500m"),
            (USER_VOLUME, "{\"v\": {\"emptyDir\": {}}}"),
            (USER_VOLUME, "[{\"name\": \"v\", \"emptyDir\": {}}]"),
            (
                USER_VOLUME_MOUNT,
                r#"[{"name": "istio-certs", "mountPath": "/etc/prom-certs"}]"#,
            ),
            // One volume in two places.
            (
                USER_VOLUME_MOUNT,
                r#"[{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]"#,
            ),
        ] {
            assert_eq!(fault(name, value), None);
        }
    }

    #[test]
    fn rejects_values_that_would_do_something_else() {
        for (name, value) in [
            (INTERCEPTION_MODE, "redirect"),
            (STATUS_PORT, "65536"),
            (STATUS_PORT, ""),
            (STATUS_PORT, "15001"),
            (READINESS_PERIOD, "2147483648"),
            (READINESS_PERIOD, "-1"),
            (INCLUDE_OUTBOUND_RANGES, "*,10.0.0.0/8"),
            (EXCLUDE_OUTBOUND_RANGES, "*"),
            (EXCLUDE_OUTBOUND_RANGES, "10.0.0.0"),
            (EXCLUDE_OUTBOUND_RANGES, "10.0.0.0/+8"),
            (EXCLUDE_OUTBOUND_RANGES, "10.0.0.0/33"),
            (EXCLUDE_INBOUND_PORTS, "*"),
            (INCLUDE_OUTBOUND_PORTS, "80,http"),
            (EXCLUDE_INTERFACES, "a name"),
            (MERGE_METRICS, "yes"),
            (PROXY_CONFIG, "concurrency: two"),
            (PROXY_CONFIG, "[1]"),
            (PROXY_MEMORY, "1 Gi"),
            (PROXY_CPU, "1\n"),
            (LOG_LEVEL, "loud"),
            (USER_VOLUME, "7"),
            (USER_VOLUME, "{\"v\": 1}"),
            (USER_VOLUME, "[\"v\"]"),
            (USER_VOLUME, "[{\"emptyDir\": {}}]"),
            (USER_VOLUME, "[{\"name\": \"\", \"emptyDir\": {}}]"),
            (USER_VOLUME_MOUNT, "[{\"name\": 1, \"mountPath\": \"/v\"}]"),
        ] {
            assert!(fault(name, value).is_some(), "{name}: {value:?}");
        }
    }

    #[test]
    fn rejects_more_volumes_mounts_and_variables_than_a_pod_may_add() {
        let mapping = |count: usize, value: &Value| -> String {
            let named = |n| (format!("V{n}"), value.clone());
            Value::Object((0..count).map(named).collect()).to_string()
        };
        let list = |count: usize| -> String {
            let named = |n| json!({"name": format!("v{n}"), "mountPath": format!("/{n}")});
            (0..count).map(named).collect::<Value>().to_string()
        };
        let metadata = |count| format!("proxyMetadata: {}", mapping(count, &json!("x")));
        let object = json!({"emptyDir": {}});
        for (name, value) in [
            (USER_VOLUME, mapping(256, &object)),
            (USER_VOLUME, list(256)),
            (USER_VOLUME_MOUNT, mapping(256, &object)),
            (USER_VOLUME_MOUNT, list(256)),
            (PROXY_CONFIG, metadata(256)),
        ] {
            assert_eq!(fault(name, &value), None);
        }
        for (name, value) in [
            (USER_VOLUME, mapping(257, &object)),
            (USER_VOLUME, list(257)),
            (USER_VOLUME_MOUNT, mapping(257, &object)),
            (USER_VOLUME_MOUNT, list(257)),
            (PROXY_CONFIG, metadata(257)),
        ] {
            let fault = fault(name, &value).unwrap();
            assert!(fault.contains("257"), "{fault}");
            assert!(fault.contains("at most 256 are taken"), "{fault}");
            assert!(fault.len() < 500, "{}", fault.len());
        }
    }

    #[test]
    fn rejects_a_volume_that_is_there_twice() {
        let twice = r#"[{"name": "v", "emptyDir": {}}, {"name": "v", "hostPath": {}}]"#;
        let fault = fault(USER_VOLUME, twice).unwrap();
        assert!(fault.contains("the volume \"v\" is there twice"), "{fault}");
    }

    #[test]
    fn names_all_faults_in_one_answer() {
        let annotations = json!({STATUS_PORT: "x", EXCLUDE_INBOUND_PORTS: "y", "unrelated": "z"});
        assert_eq!(
            faults(annotations.as_object().unwrap()),
            [
                "invalid value \"x\" for annotation \"status.sidecar.istio.io/port\": a port from 0 to 65535 is wanted",
                "invalid value \"y\" for annotation \"traffic.sidecar.istio.io/excludeInboundPorts\": \
                 \"y\" is not a port (0–65535)",
            ]
        );
    }
}
