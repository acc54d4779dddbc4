use serde_json::json;

use super::*;
use crate::{Config, Outcome, Target, inject};

fn injected(pod: &Value) -> Value {
    let config = Config::builtin().unwrap();
    let target = Target {
        pod,
        namespace: "shop",
        workload: None,
        path_env: &[],
        cluster_has_native_sidecars: true,
    };
    match inject(&config, &target) {
        Ok(Outcome::Injected(injection)) => {
            let mut pod = pod.clone();
            json_patch::patch(&mut pod, &injection.patch).unwrap();
            pod
        }
        other => panic!("not injected: {other:?}"),
    }
}

fn status(pod: &Value) -> Value {
    serde_json::from_str(pod::annotation(pod, STATUS).expect("a status")).unwrap()
}

#[track_caller]
fn assert_exact(pod: &Value) -> Value {
    let injected = injected(pod);
    assert_ne!(&injected, pod);
    assert_eq!(uninject(&injected).unwrap().as_ref(), Some(pod));
    injected
}

#[test]
fn takes_back_an_injection_by_names_alone() {
    let injected = assert_exact(&json!({
        "metadata": {"name": "web", "labels": {"app": "web"}, "annotations": {"a": "b"}},
        "spec": {
            "containers": [{"name": "web", "image": "web:1", "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 3}}],
            "initContainers": [{"name": "setup", "image": "setup:1"}],
            "volumes": [{"name": "data", "emptyDir": {}}]
        }
    }));
    let status = status(&injected);
    assert_eq!(status.get("restore"), None, "{status}");
    assert_eq!(
        status["labels"],
        json!([
            "security.istio.io/tlsMode",
            "service.istio.io/canonical-name",
            "service.istio.io/canonical-revision"
        ])
    );
}

#[test]
fn takes_back_what_names_cannot_tell() {
    assert_exact(&json!({
        "metadata": {
            "name": "web",
            "labels": {"security.istio.io/tlsMode": "istio"},
            "annotations": {"prometheus.io.scrape": "true", "prometheus-io/port": "8080", "prometheus.io/path": "/m"}
        },
        "spec": {
            "containers": [
                {"name": "istio-proxy", "image": "auto", "tty": true},
                {"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 80}],
                 "livenessProbe": {"tcpSocket": {"port": "http"}},
                 "lifecycle": {"preStop": {"httpGet": {"port": "http", "path": "/bye", "host": "x"}}}}
            ],
            "initContainers": [],
            "volumes": [{"name": "istio-data", "hostPath": {"path": "/mine"}}]
        }
    }));
}

#[test]
fn takes_back_a_gateway() {
    let gateway = |security_context: Value| {
        json!({
            "metadata": {"name": "gw", "annotations": {"inject.istio.io/templates": "gateway"}},
            "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}], "securityContext": security_context}
        })
    };
    assert_exact(&gateway(json!({})));
    assert_exact(&gateway(
        json!({"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}),
    ));
    assert_exact(&gateway(
        json!({"sysctls": [{"name": "net.core.somaxconn", "value": "1"}], "fsGroup": 1}),
    ));
}

#[test]
fn takes_back_an_injection_after_defaults_and_additions_by_others() {
    let pod = json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 80}],
            "livenessProbe": {"httpGet": {"port": "http"}}}]}
    });
    let edit = |pod: &mut Value| {
        let containers = pod["spec"]["containers"].as_array_mut().unwrap();
        containers[0]["livenessProbe"]["periodSeconds"] = json!(10);
        containers.push(json!({"name": "logger", "image": "logger:1"}));
        pod["spec"]["restartPolicy"] = json!("Always");
    };
    let (mut injected, mut expected) = (injected(&pod), pod);
    edit(&mut injected);
    edit(&mut expected);
    assert_eq!(uninject(&injected).unwrap(), Some(expected));
}

#[test]
fn rejects_a_pod_that_changed_where_the_record_goes_by_index() {
    let mut pod = injected(&json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 80}],
            "livenessProbe": {"httpGet": {"port": "http"}}}]}
    }));
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"name": "first"}));
    let refusal = uninject(&pod).unwrap_err().to_string();
    assert!(refusal.contains("changed since its injection"), "{refusal}");
}

#[test]
fn takes_back_an_injection_of_a_container_with_an_empty_name() {
    assert_exact(&json!({"metadata": {"name": "a"}, "spec": {"containers": [
        {"name": "", "image": "a", "env": [{"name": "A", "value": "b"}], "ports": [{"name": "http", "containerPort": 80}],
         "livenessProbe": {"httpGet": {"port": "http"}}}]}}));
}

/// What a pod becomes when this is put first into a list of it.
fn uninject_with_first(pod: &Value, list: &str, element: Value) -> String {
    let mut injected = injected(pod);
    injected
        .pointer_mut(list)
        .unwrap()
        .as_array_mut()
        .unwrap()
        .insert(0, element);
    uninject(&injected).unwrap_err().to_string()
}

#[test]
fn removes_no_element_that_others_have_put_where_the_record_removes_one() {
    let with_proxy_first = json!({"metadata": {"name": "a"}, "spec": {"containers": [
        {"name": "istio-proxy", "image": "auto", "tty": true}, {"name": "web", "image": "web:1"}]}});
    let mut pod = injected(&with_proxy_first);
    let logger = json!({"name": "logger", "image": "logger:1"});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(logger.clone());
    let refusal = uninject(&pod).unwrap_err().to_string();
    assert!(refusal.contains("changed since its injection"), "{refusal}");

    let with_own_init = json!({"metadata": {"name": "a"}, "spec": {
        "initContainers": [{"name": "s", "image": "s:1"}, {"name": "istio-proxy", "image": "auto"}],
        "containers": [{"name": "web", "image": "web:1"}]}});
    let refusal = uninject_with_first(&with_own_init, "/spec/initContainers", logger);
    assert!(refusal.contains("changed since its injection"), "{refusal}");

    let gateway = json!({
        "metadata": {"name": "gw", "annotations": {"inject.istio.io/templates": "gateway"}},
        "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}],
            "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}}});
    let sysctl = json!({"name": "kernel.shm_rmid_forced", "value": "0"});
    let refusal = uninject_with_first(&gateway, "/spec/securityContext/sysctls", sysctl);
    assert!(refusal.contains("changed since its injection"), "{refusal}");
}

#[test]
fn follows_no_record_that_an_injection_does_not_write() {
    let deep = format!("/spec{}", "/0".repeat(100));
    for step in [
        json!({"op": "copy", "from": "/spec", "path": "/spec/a"}),
        json!({"op": "move", "from": "/spec", "path": "/spec/a"}),
        json!({"op": "replace", "path": "", "value": 1}),
        json!({"op": "replace", "path": "/kind", "value": "Secret"}),
        json!({"op": "add", "path": deep, "value": 1}),
    ] {
        let status = json!({"labels": [], "annotations": [], "restore": [step]}).to_string();
        let pod =
            json!({"metadata": {"annotations": {STATUS: status}}, "spec": {"containers": []}});
        let refusal = uninject(&pod).unwrap_err().to_string();
        assert!(refusal.contains("can't be read"), "{refusal}");
    }
}

#[test]
fn leaves_a_pod_without_an_injection() {
    for pod in [
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}}),
        json!({"spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}}),
        json!("no pod"),
    ] {
        assert_eq!(uninject(&pod), Ok(None));
    }
}

#[test]
fn rejects_an_injection_without_a_record() {
    let pod = json!({"metadata": {"name": "a"}, "spec": {
        "initContainers": [{"name": "istio-init", "image": "x/y:1", "args": ["istio-iptables", "-p", "15001"]}],
        "containers": [{"name": "a"}]
    }});
    let refusal = uninject(&pod).unwrap_err().to_string();
    assert!(
        refusal.contains("the container istio-init of an injection"),
        "{refusal}"
    );
}

#[test]
fn rejects_a_record_that_cannot_be_read() {
    for (name, value) in [
        (STATUS, ""),
        (STATUS, "null"),
        (STATUS, r#"{"containers":"istio-proxy"}"#),
        (STATUS, r#"{"restore":[{"op":"no"}]}"#),
        (OVERRIDES, "["),
    ] {
        let mut pod =
            json!({"metadata": {"annotations": {STATUS: "{}"}}, "spec": {"containers": []}});
        pod["metadata"]["annotations"][name] = json!(value);
        let refusal = uninject(&pod).unwrap_err().to_string();
        assert!(
            refusal.contains(name) && refusal.contains("can't be read"),
            "{refusal}"
        );
    }
}

/// A pod as Istio's injection leaves it, with what the case adds.
fn istio_pod(annotations: Value, env: Value, containers: Value) -> Value {
    let mut pod = json!({
        "metadata": {
            "labels": {
                "app": "web",
                "security.istio.io/tlsMode": "istio",
                "service.istio.io/canonical-name": "web",
                "service.istio.io/canonical-revision": "latest"
            },
            "annotations": {
                "istio.io/rev": "canary",
                "kubectl.kubernetes.io/default-container": "web",
                "kubectl.kubernetes.io/default-logs-container": "web",
                "prometheus.io/scrape": "true",
                "prometheus.io/path": "/stats/prometheus",
                "prometheus.io/port": "15020",
                STATUS: r#"{"initContainers":["istio-init","istio-proxy"],"containers":null,"volumes":["istio-data"],"imagePullSecrets":["regcred"],"revision":"canary"}"#
            }
        },
        "spec": {
            "initContainers": [{"name": "istio-init"}, {"name": "istio-proxy", "env": env}, {"name": "setup"}],
            "containers": containers,
            "imagePullSecrets": [{"name": "regcred"}],
            "volumes": [{"name": "istio-data"}, {"name": "data"}]
        }
    });
    for (name, value) in annotations.as_object().unwrap() {
        pod["metadata"]["annotations"][name] = value.clone();
    }
    pod
}

#[test]
fn takes_back_istios_injection() {
    let pod = istio_pod(json!({}), json!([]), json!([{"name": "web"}]));
    assert_eq!(
        uninject(&pod).unwrap(),
        Some(json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {"initContainers": [{"name": "setup"}], "containers": [{"name": "web"}], "volumes": [{"name": "data"}]}
        }))
    );
}

#[test]
fn keeps_labels_and_annotations_that_istios_injection_would_not_have_set() {
    let mut pod = istio_pod(
        json!({
            "istio.io/rev": "mine",
            "kubectl.kubernetes.io/default-container": "other",
            "prometheus.io/path": "/mine"
        }),
        json!([]),
        json!([{"name": "web"}]),
    );
    let labels = json!({
        "app": "web",
        "version": "v1",
        "security.istio.io/tlsMode": "disabled",
        "service.istio.io/canonical-name": "mine",
        "service.istio.io/canonical-revision": "latest"
    });
    pod["metadata"]["labels"] = labels.clone();
    assert_eq!(
        uninject(&pod).unwrap().unwrap()["metadata"],
        json!({
            "labels": labels,
            "annotations": {
                "istio.io/rev": "mine",
                "kubectl.kubernetes.io/default-container": "other",
                "prometheus.io/scrape": "true",
                "prometheus.io/path": "/mine",
                "prometheus.io/port": "15020"
            }
        })
    );
}

#[test]
fn puts_istios_record_of_probes_and_hooks_back() {
    let probers = json!({
        "/app-health/web/livez": {"httpGet": {"port": 80, "path": "/l", "scheme": "HTTPS"}, "timeoutSeconds": 3},
        "/app-health/web/readyz": {"tcpSocket": {"port": 81}},
        "/app-health/setup/startupz": {"grpc": {"port": 82}},
        "/app-lifecycle/web/prestopz": {"httpGet": {"port": 83}}
    });
    let through = |path: &str| json!({"path": path, "port": 15020});
    let mut pod = istio_pod(
        json!({}),
        json!([{"name": "ISTIO_KUBE_APP_PROBERS", "value": probers.to_string()}]),
        json!([
            {
                "name": "web",
                "livenessProbe": {"httpGet": {"path": "/app-health/web/livez", "port": 15020, "host": "h"}, "timeoutSeconds": 3},
                "readinessProbe": {"httpGet": through("/app-health/web/readyz"), "periodSeconds": 9},
                "startupProbe": {"exec": {"command": ["x"]}},
                "lifecycle": {"preStop": {"httpGet": through("/app-lifecycle/web/prestopz")}, "postStart": {"sleep": {"seconds": 1}}}
            },
            {"name": "other", "livenessProbe": {"httpGet": through("/app-health/web/livez")}}
        ]),
    );
    pod["spec"]["initContainers"][2]["startupProbe"] =
        json!({"httpGet": through("/app-health/setup/startupz")});
    let undone = uninject(&pod).unwrap().unwrap();
    assert_eq!(
        undone["spec"]["containers"],
        json!([
            {
                "name": "web",
                "livenessProbe": {"httpGet": {"port": 80, "path": "/l", "scheme": "HTTPS", "host": "h"}, "timeoutSeconds": 3},
                "readinessProbe": {"tcpSocket": {"port": 81}, "periodSeconds": 9},
                "startupProbe": {"exec": {"command": ["x"]}},
                "lifecycle": {"preStop": {"httpGet": {"port": 83}}, "postStart": {"sleep": {"seconds": 1}}}
            },
            {"name": "other", "livenessProbe": {"httpGet": through("/app-health/web/livez")}}
        ])
    );
    assert_eq!(
        undone["spec"]["initContainers"],
        json!([{"name": "setup", "startupProbe": {"grpc": {"port": 82}}}])
    );
}

#[test]
fn rejects_a_probe_that_istios_injection_did_not_record() {
    let pod = istio_pod(
        json!({}),
        json!([]),
        json!([{"name": "web", "lifecycle": {"preStop": {"httpGet": {"path": "/app-lifecycle/web/prestopz", "port": 15020}}}}]),
    );
    let refusal = uninject(&pod).unwrap_err().to_string();
    assert!(
        refusal.contains("lifecycle.preStop of container web"),
        "{refusal}"
    );
}

#[test]
fn puts_istios_record_of_scrape_annotations_back() {
    for (record, expected) in [
        (
            json!({"scrape": "true", "path": "/m", "port": "8080"}),
            json!({"prometheus.io/scrape": "true", "prometheus.io/path": "/m", "prometheus.io/port": "8080"}),
        ),
        (
            json!({
                "scrape": "true", "path": "/a", "port": "1",
                "targets": [{"port": "1", "path": "/a"}, {"port": "2", "path": "/b"}]
            }),
            json!({"prometheus.io/scrape": "true", "prometheus.istio.io/scrape-targets": "1:/a,2:/b"}),
        ),
    ] {
        let pod = istio_pod(
            json!({}),
            json!([{"name": "ISTIO_PROMETHEUS_ANNOTATIONS", "value": record.to_string()}]),
            json!([{"name": "web"}]),
        );
        assert_eq!(
            uninject(&pod).unwrap().unwrap()["metadata"]["annotations"],
            expected
        );
    }
}

#[test]
fn puts_istios_record_of_the_users_own_containers_back() {
    let overrides = json!({"initContainers": [
        {"name": "istio-init", "image": "mine", "resources": {}}, {"name": "istio-proxy", "tty": true}
    ]});
    let pod = istio_pod(
        json!({OVERRIDES: overrides.to_string()}),
        json!([]),
        json!([{"name": "web"}]),
    );
    let spec = &uninject(&pod).unwrap().unwrap()["spec"];
    assert_eq!(
        spec["initContainers"],
        json!([{"name": "istio-init", "image": "mine", "resources": {}}, {"name": "setup"}])
    );
    assert_eq!(
        spec["containers"],
        json!([{"name": "web"}, {"name": "istio-proxy", "image": "auto", "tty": true}])
    );
}

#[test]
fn takes_istios_gateway_back() {
    let pod = json!({
        "metadata": {"annotations": {
            STATUS: r#"{"initContainers":null,"containers":["istio-proxy"],"volumes":null,"imagePullSecrets":null,"revision":"default"}"#,
            OVERRIDES: r#"{"containers":[{"name":"istio-proxy","resources":{}}]}"#
        }},
        "spec": {
            "containers": [{"name": "istio-proxy", "image": "proxyv2", "args": ["proxy", "router"]}],
            "securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}
        }
    });
    assert_eq!(
        uninject(&pod).unwrap(),
        Some(
            json!({"spec": {"containers": [{"name": "istio-proxy", "image": "auto", "resources": {}}]}})
        )
    );
}

#[test]
fn keeps_an_overrides_annotation_that_the_pod_came_with() {
    for text in ["junk", r#"{"containers":[{"name":"ghost"}]}"#] {
        let pod = |containers: Value| json!({"metadata": {"name": "web", "annotations": {OVERRIDES: text}}, "spec": {"containers": containers}});
        assert_exact(&pod(json!([{"name": "web", "image": "web:1"}])));
        assert_exact(&pod(
            json!([{"name": "web", "image": "web:1"}, {"name": "istio-proxy", "image": "auto"}]),
        ));
    }
}
