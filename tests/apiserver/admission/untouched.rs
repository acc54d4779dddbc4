//! What an injection leaves as the user wrote it.

use serde_json::{Value, json};

use super::installation::Installation;

/// A pod with fields from all over the API, new ones among them, that Pillion has
/// no use for. No service account's token, for its volume's name is random.
fn pod(inject: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "labels": {"app": "web", "version": "v1", "sidecar.istio.io/inject": inject},
            "annotations": {"example.com/note": "a \"quoted\" ~1 /path\nof two lines", "prometheus.io/scrape": "false"},
            "finalizers": ["example.com/wait"],
        },
        "spec": {
            "automountServiceAccountToken": false,
            "hostname": "web",
            "subdomain": "shop",
            "setHostnameAsFQDN": true,
            "shareProcessNamespace": true,
            "hostUsers": false,
            "os": {"name": "linux"},
            "schedulingGates": [{"name": "example.com/later"}],
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}],
            "resources": {"requests": {"cpu": "2"}},
            "readinessGates": [{"conditionType": "example.com/ready"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "web"}}, "matchLabelKeys": ["pod-template-hash"], "nodeTaintsPolicy": "Honor"}],
            "securityContext": {"fsGroup": 2000, "fsGroupChangePolicy": "OnRootMismatch", "supplementalGroupsPolicy": "Strict",
                "appArmorProfile": {"type": "RuntimeDefault"}, "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]},
            "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["old"]}],
            // The two that the API server would add stand here as well.
            "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
            "initContainers": [
                {"name": "migrate", "image": "migrate:1", "command": ["migrate"], "env": [{"name": "A", "value": "1"}]},
                {"name": "logs", "image": "logs:1", "restartPolicy": "Always",
                    "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]},
            ],
            "containers": [
                {"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 8080, "protocol": "UDP"}],
                    "env": [{"name": "B", "value": "$(A)"}, {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}}],
                    "resources": {"claims": [{"name": "gpu", "request": "one"}], "limits": {"cpu": "1500m"}},
                    "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
                    "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
                    "livenessProbe": {"exec": {"command": ["true"]}, "terminationGracePeriodSeconds": 5},
                    "volumeMounts": [{"name": "model", "mountPath": "/model", "readOnly": true, "recursiveReadOnly": "IfPossible"}]},
                {"name": "second", "image": "second:1", "stdin": true, "tty": true, "terminationMessagePolicy": "FallbackToLogsOnError"},
            ],
            "volumes": [
                {"name": "model", "image": {"reference": "example.com/model:1", "pullPolicy": "IfNotPresent"}},
                {"name": "disk", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}}}}}},
                {"name": "trust", "projected": {"sources": [{"configMap": {"name": "roots", "optional": true, "items": [{"key": "a", "path": "b", "mode": 256}]}}]}},
            ],
        },
    })
}

/// Where `after` does not hold what `before` has. Items of lists are found by their
/// names, and their order has to be the same.
fn lost(path: &str, before: &Value, after: &Value, faults: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                match after.get(key) {
                    Some(kept) => lost(&format!("{path}/{key}"), value, kept, faults),
                    None => faults.push(format!("{path}/{key} is gone")),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.iter().any(has_name) => {
            let mut rest = after.iter();
            for item in before {
                let name = &item["name"];
                match rest.find(|other| other["name"] == *name) {
                    Some(kept) => lost(&format!("{path}/{name}"), item, kept, faults),
                    None => faults.push(format!("{path}/{name} is gone or elsewhere")),
                }
            }
        }
        _ if before != after => faults.push(format!("{path}: {before} became {after}")),
        _ => {}
    }
}

fn has_name(item: &Value) -> bool {
    item["name"].is_string()
}

/// What differs between any two pods.
fn without_identity(mut pod: Value) -> Value {
    let metadata = pod["metadata"].as_object_mut().unwrap();
    for key in ["uid", "creationTimestamp", "managedFields"] {
        metadata.remove(key);
    }
    metadata["labels"]
        .as_object_mut()
        .unwrap()
        .remove("sidecar.istio.io/inject");
    pod
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_the_user_survives() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let before = without_identity(installation.pod(&namespace, &pod("false")).await);
    let after = without_identity(installation.pod(&namespace, &pod("true")).await);
    assert_ne!(before, after, "nothing was injected");
    let mut faults = Vec::new();
    lost("", &before, &after, &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Nor does what is the user's own get anything new.
    for list in ["containers", "volumes"] {
        for item in before["spec"][list].as_array().unwrap() {
            let after = after["spec"][list].as_array().unwrap();
            assert!(after.contains(item), "{item:#} is not as it was");
        }
    }
}

/// Checks the check: what the API server drops by itself, as it does with fields of features that are
/// off, would not be missed above.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_knows_every_field_of_the_pod() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let sent = pod("false");
    let kept = installation.pod(&namespace, &sent).await;
    let mut faults = Vec::new();
    lost("", &sent, &kept, &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
