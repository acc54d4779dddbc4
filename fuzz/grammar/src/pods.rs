//! Generated pods: all that a user may write and the API server accepts.

mod containers;
mod fields;

use proptest::prelude::*;
use serde_json::{Value, json};

use self::containers::{containers, init_containers};
use self::fields::{always, choice, choice_of, list, maybe, number, object};

/// A pod that the API server accepts.
pub fn pod() -> impl Strategy<Value = Value> {
    let volumes = prop::collection::btree_set(
        prop::sample::select(vec!["data", "conf", "cache", "istio-data"]),
        0..4,
    );
    volumes.prop_flat_map(|volumes| {
        let mounts: Vec<&'static str> = volumes.iter().copied().collect();
        let spec = object(vec![
            always("containers", containers(mounts.clone())),
            maybe("initContainers", init_containers(mounts)),
            maybe("imagePullSecrets", names(&["regcred", "other"])),
            maybe("nodeSelector", string_map(&["disk", "kubernetes.io/os"])),
            maybe("serviceAccountName", Just(json!("default"))),
            maybe("terminationGracePeriodSeconds", number(2..100)),
            maybe("dnsPolicy", choice(&["ClusterFirst", "Default"])),
            maybe("securityContext", security_context()),
            maybe(
                "hostAliases",
                Just(json!([{"ip": "10.0.0.1", "hostnames": ["a.example"]}])),
            ),
            maybe(
                "tolerations",
                Just(json!([{"key": "a", "operator": "Exists"}])),
            ),
            list("volumes", volumes.into_iter().map(volume).collect()),
        ]);
        let metadata = object(vec![
            always("generateName", choice(&["web-", "web-7d4b9c8f5-"])),
            maybe("labels", labels()),
            maybe("annotations", annotations()),
            maybe("ownerReferences", owner()),
        ]);
        (metadata, spec).prop_map(|(metadata, spec)| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        })
    })
}

fn volume(name: &'static str) -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        json!({"name": name, "emptyDir": {}}),
        json!({"name": name, "configMap": {"name": "c", "optional": true}}),
        json!({"name": name, "projected": {"sources": [{"secret": {"name": "s"}}]}}),
    ])
    .boxed()
}

fn labels() -> BoxedStrategy<Value> {
    string_map(&[
        "app",
        "version",
        "app.kubernetes.io/name",
        "security.istio.io/tlsMode",
        "service.istio.io/canonical-name",
        "topology.istio.io/network",
    ])
}

/// Annotations with values that an injection accepts.
fn annotations() -> BoxedStrategy<Value> {
    object(vec![
        maybe("a.example/b", any::<String>().prop_map(Value::from)),
        maybe("prometheus.io/scrape", choice(&["true", "false"])),
        maybe("prometheus.io/port", choice(&["8080", "15020"])),
        maybe("prometheus.io/path", choice(&["/m", ""])),
        maybe("prometheus-io/port", choice(&["9090"])),
        maybe(
            "prometheus.istio.io/scrape-targets",
            choice(&["8080:/m,9100:/x"]),
        ),
        maybe(
            "prometheus.istio.io/merge-metrics",
            choice(&["true", "false"]),
        ),
        maybe(
            "sidecar.istio.io/nativeSidecar",
            choice(&["true", "false", "x"]),
        ),
        maybe(
            "sidecar.istio.io/proxyImage",
            choice(&["my/proxy:2", "ignored"]),
        ),
        maybe("sidecar.istio.io/proxyCPU", choice(&["10m", "1"])),
        maybe(
            "sidecar.istio.io/proxyMemoryLimit",
            choice(&["1Gi", "128M"]),
        ),
        maybe("sidecar.istio.io/logLevel", choice(&["debug"])),
        maybe(
            "sidecar.istio.io/componentLogLevel",
            choice(&["a:debug", ""]),
        ),
        maybe(
            "sidecar.istio.io/rewriteAppHTTPProbers",
            choice(&["true", "false"]),
        ),
        maybe(
            "sidecar.istio.io/interceptionMode",
            choice(&["REDIRECT", "NONE"]),
        ),
        maybe("status.sidecar.istio.io/port", choice(&["0", "15099"])),
        maybe(
            "traffic.sidecar.istio.io/excludeOutboundPorts",
            choice(&["", "25,26"]),
        ),
        maybe(
            "traffic.sidecar.istio.io/includeOutboundIPRanges",
            choice(&["*", "10.0.0.0/8", ""]),
        ),
        maybe(
            "proxy.istio.io/config",
            choice(&[
                "{holdApplicationUntilProxyStarts: true}",
                "proxyMetadata: {A: b}",
            ]),
        ),
        maybe(
            "proxy.istio.io/overrides",
            choice(&["junk", "{\"containers\":[{\"name\":\"ghost\"}]}"]),
        ),
        maybe(
            "sidecar.istio.io/userVolume",
            choice(&["{\"mine\":{\"emptyDir\":{}}}"]),
        ),
        maybe(
            "kubectl.kubernetes.io/default-container",
            choice(&["app-a"]),
        ),
        maybe("istio.io/rev", choice(&["mine"])),
    ])
}

fn security_context() -> BoxedStrategy<Value> {
    object(vec![
        maybe("fsGroup", number(1..2000)),
        maybe(
            "sysctls",
            choice_of(vec![
                json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]),
                json!([{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
            ]),
        ),
    ])
}

fn owner() -> BoxedStrategy<Value> {
    Just(json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9c8f5", "uid": "1-2-3", "controller": true
    }]))
    .boxed()
}

fn names(names: &[&'static str]) -> BoxedStrategy<Value> {
    prop::sample::subsequence(names.to_vec(), 0..=names.len())
        .prop_map(|names| {
            names
                .into_iter()
                .map(|name| json!({ "name": name }))
                .collect()
        })
        .boxed()
}

fn string_map(keys: &[&str]) -> BoxedStrategy<Value> {
    object(
        keys.iter()
            .map(|key| maybe(key, "[a-z0-9]{1,8}".prop_map(Value::from)))
            .collect(),
    )
}
