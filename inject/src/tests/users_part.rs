//! What the user's pod has of the proxy itself, beside the template.

use super::*;

#[test]
fn the_users_part_of_the_proxy_wins_field_by_field() {
    let mut pod = web(json!({}), json!({}));
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({
        "name": "istio-proxy", "image": "auto", "resources": {"limits": {"cpu": "3"}},
        "env": [{"name": "CA_ADDR", "value": "mine"}, {"name": "EXTRA", "value": "1"}],
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
        "securityContext": {"runAsUser": 1234}, "tty": true}));
    let pod = injected(&pod);
    assert_eq!(names(&pod["spec"]["containers"]), ["app"]);
    let proxy = container(&pod, "istio-proxy");
    assert!(proxy["image"].as_str().unwrap().contains("pillion-proxy"));
    assert_eq!(
        proxy["resources"]["limits"],
        json!({"cpu": "3", "memory": "1Gi"})
    );
    assert_eq!(
        (env(proxy, "CA_ADDR"), env(proxy, "EXTRA")),
        (Some("mine"), Some("1"))
    );
    assert_eq!(
        proxy["lifecycle"]["preStop"]["exec"]["command"],
        json!(["sleep", "10"])
    );
    assert_eq!(proxy["securityContext"]["runAsUser"], 1234);
    assert_eq!(proxy["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(proxy["tty"], true);
    // The capture rules leave the uid alone that the proxy really has.
    let init = arguments(container(&pod, "istio-init")).join(" ");
    assert!(init.contains("-u 1234"), "{init}");
    let overrides = pod["metadata"]["annotations"]["proxy.istio.io/overrides"]
        .as_str()
        .unwrap();
    let overrides: Value = serde_json::from_str(overrides).unwrap();
    assert_eq!(overrides["containers"][0]["tty"], true);
}

#[test]
fn volumes_can_be_given_by_annotation() {
    let pod = injected(&web(
        json!({"sidecar.istio.io/userVolume": r#"{"certs": {"secret": {"secretName": "s"}}}"#,
               "sidecar.istio.io/userVolumeMount": r#"{"certs": {"mountPath": "/etc/certs", "readOnly": true}}"#}),
        json!({}),
    ));
    let volume = pod::array(&pod["spec"]["volumes"])
        .iter()
        .find(|volume| pod::name(volume) == "certs");
    assert_eq!(
        volume,
        Some(&json!({"name": "certs", "secret": {"secretName": "s"}}))
    );
    let mounts = pod::array(&container(&pod, "istio-proxy")["volumeMounts"]);
    assert!(
        mounts.contains(&json!({"name": "certs", "mountPath": "/etc/certs", "readOnly": true}))
    );
}

#[test]
fn volumes_can_be_given_as_lists() {
    // As Istio's sample of secure metrics has it.
    let pod = injected(&web(
        json!({"sidecar.istio.io/userVolume": r#"[{"name": "istio-certs", "emptyDir": {"medium": "Memory"}}]"#,
               "sidecar.istio.io/userVolumeMount": r#"[{"name": "istio-certs", "mountPath": "/etc/prom-certs"},
                   {"name": "istio-certs", "mountPath": "/etc/other"}]"#}),
        json!({}),
    ));
    assert!(
        pod::array(&pod["spec"]["volumes"])
            .contains(&json!({"name": "istio-certs", "emptyDir": {"medium": "Memory"}}))
    );
    let mounts = pod::array(&container(&pod, "istio-proxy")["volumeMounts"]);
    for path in ["/etc/prom-certs", "/etc/other"] {
        assert!(mounts.contains(&json!({"name": "istio-certs", "mountPath": path})));
    }
}

#[test]
fn nulls_of_the_users_part_set_nothing() {
    let pod = |proxy: Value| json!({"metadata": {"name": "a"}, "spec": {"containers": [proxy, {"name": "app", "image": "a"}]}});
    let blank = pod(
        json!({"name": "istio-proxy", "image": "", "args": null, "env": null, "securityContext": null,
        "resources": {"limits": null}}),
    );
    let plain = pod(json!({"name": "istio-proxy", "image": "auto", "resources": {}}));
    let (blank, plain) = (injected(&blank), injected(&plain));
    assert_eq!(
        container(&blank, "istio-proxy"),
        container(&plain, "istio-proxy")
    );
}

#[test]
fn a_variable_or_a_mount_stands_once_whoever_sets_it() {
    let annotations = json!({
        "proxy.istio.io/config": "proxyMetadata: {CA_ADDR: 'mine:1', ISTIO_META_CLUSTER_ID: mine}",
        "sidecar.istio.io/userVolume": r#"{"z":{"emptyDir":{}}}"#,
        "sidecar.istio.io/userVolumeMount": r#"{"z":{"mountPath":"/etc/istio/pod"}}"#,
    });
    let pod = web(annotations, json!({}));
    let path_env = [("ISTIO_META_CLUSTER_ID".to_owned(), "path".to_owned())];
    let target = Target {
        path_env: &path_env,
        ..target(&pod)
    };
    let (pod, _) = inject_with(&BUILTIN, &target);
    let found = |list: &str, key: &str, value: &str| -> Vec<Value> {
        let elements = pod::array(&container(&pod, "istio-proxy")[list]).iter();
        elements
            .filter(|element| element[key] == value)
            .cloned()
            .collect()
    };
    assert_eq!(
        found("env", "name", "CA_ADDR"),
        [json!({"name": "CA_ADDR", "value": "mine:1"})]
    );
    assert_eq!(
        found("env", "name", "ISTIO_META_CLUSTER_ID"),
        [json!({"name": "ISTIO_META_CLUSTER_ID", "value": "path"})]
    );
    let mounts = found("volumeMounts", "mountPath", "/etc/istio/pod");
    assert_eq!((mounts.len(), &mounts[0]["name"]), (1, &json!("z")));
}

#[test]
fn refuses_a_pod_of_nothing_but_a_native_proxy() {
    let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}});
    let refusal = refused(&pod).to_string();
    assert!(
        refusal.contains("sidecar.istio.io/nativeSidecar"),
        "{refusal}"
    );
    let mut classic = pod;
    classic["metadata"]["annotations"] = json!({"sidecar.istio.io/nativeSidecar": "false"});
    assert_eq!(
        pod::array(&injected(&classic)["spec"]["containers"]).len(),
        1
    );
}

#[test]
fn warns_of_what_the_user_loses_or_lacks() {
    let mut pod = web(
        json!({"sidecar.istio.io/interceptionMode": "NONE"}),
        json!({}),
    );
    pod["spec"]["volumes"] = json!([{"name": "istio-data", "hostPath": {"path": "/x"}}, {"name": "istio-token", "hostPath": null}]);
    pod["spec"]["initContainers"] = json!([{"name": "istio-init", "image": "auto"}]);
    let (_, warnings) = inject_with(&BUILTIN, &target(&pod));
    for expected in [
        "volume \"istio-data\"",
        "container \"istio-init\" has no image",
    ] {
        assert!(
            warnings.iter().any(|warning| warning.contains(expected)),
            "{expected}: {warnings:?}"
        );
    }
}
