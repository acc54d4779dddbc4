//! Whether the annotations that steer an injection have values that can be used.
//!
//! All of a pod's faults are reported together, so that one edit can fix them.

use serde_json::{Map, Value};

use crate::{
    annotation_fault::AnnotationFault,
    annotations::*,
    pod, proxy_config_annotation, quote,
    refusal::Refusal,
    unsupported, user_volumes,
    value_checks::{
        Check, boolean, interception_mode, interfaces, log_level, number, ports, ports_or_all,
        quantity, ranges, ranges_or_all, status_port,
    },
};

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
    (PROXY_CONFIG, proxy_config_annotation::check),
    (PROXY_CPU, quantity),
    (PROXY_MEMORY, quantity),
    (PROXY_CPU_LIMIT, quantity),
    (PROXY_MEMORY_LIMIT, quantity),
    (LOG_LEVEL, log_level),
    (USER_VOLUME, user_volumes::check_volumes),
    (USER_VOLUME_MOUNT, user_volumes::check_mounts),
];

/// Refuses annotations that can't be used, together with what is not supported, so
/// that one edit can fix both.
pub(crate) fn check(pod: &Value) -> Result<(), Refusal> {
    let Some(annotations) = pod["metadata"]["annotations"].as_object() else {
        return Ok(());
    };
    let mut faults = faults(annotations);
    if faults.is_empty() {
        return Ok(());
    }
    let mode = pod::annotation(pod, INTERCEPTION_MODE).unwrap_or_default();
    let unsupported = unsupported::find(pod, mode).into_iter();
    faults.extend(unsupported.map(AnnotationFault::from));
    Err(Refusal::InvalidAnnotations(faults))
}

/// The faults of the annotations that the injector reads, except for those that are
/// taken as they are or only warned of.
fn faults(annotations: &Map<String, Value>) -> Vec<AnnotationFault> {
    CHECKS
        .iter()
        .filter_map(|(annotation, check)| {
            let value = annotations.get(*annotation)?.as_str()?;
            let invalid = check(value).err()?;
            Some(AnnotationFault::InvalidValue {
                annotation,
                value: quote::excerpt(value, quote::VALUE).into_owned(),
                reason: invalid.to_string(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(name: &str, value: &str) -> Option<String> {
        let annotations = json!({ name: value });
        let faults = faults(annotations.as_object().unwrap());
        Some(faults.last()?.to_string())
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
            (PROXY_CONFIG, "whenUnreachable: Passthrough"),
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
    fn rejects_a_duplicate_volume() {
        let twice = r#"[{"name": "v", "emptyDir": {}}, {"name": "v", "hostPath": {}}]"#;
        let fault = fault(USER_VOLUME, twice).unwrap();
        assert!(fault.contains("duplicate volume \"v\""), "{fault}");
    }

    #[test]
    fn names_all_faults_in_one_answer() {
        let annotations = json!({STATUS_PORT: "x", EXCLUDE_INBOUND_PORTS: "y", "unrelated": "z"});
        let faults = faults(annotations.as_object().unwrap());
        let texts: Vec<_> = faults.iter().map(AnnotationFault::to_string).collect();
        assert_eq!(
            texts,
            [
                "invalid value \"x\" for annotation \"status.sidecar.istio.io/port\": must be a port (0–65535)",
                "invalid value \"y\" for annotation \"traffic.sidecar.istio.io/excludeInboundPorts\": \
                 \"y\" is not a port (0–65535)",
            ]
        );
    }
}
