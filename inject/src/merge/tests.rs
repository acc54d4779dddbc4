use serde_json::json;

use super::*;

#[track_caller]
fn assert_merged(base: Value, overlay: Value, expected: &Value) {
    let mut merged = base;
    merge(&mut merged, overlay);
    assert_eq!(&merged, expected);
}

/// The same for one container among the pod's.
#[track_caller]
fn assert_container(base: Value, overlay: Value, expected: &Value) {
    let pod = |mut container: Value| {
        container["name"] = json!("app");
        json!({ "spec": { "containers": [container] } })
    };
    assert_merged(pod(base), pod(overlay), &pod(expected.clone()));
}

#[test]
fn merges_objects_by_field() {
    assert_merged(
        json!({"metadata": {"labels": {"app": "a", "tier": "web"}}, "madeUp": 1}),
        json!({"metadata": {"labels": {"app": "b", "new": "c"}, "annotations": {"x": "y"}}}),
        &json!({
            "metadata": {
                "labels": {"app": "b", "tier": "web", "new": "c"},
                "annotations": {"x": "y"}
            },
            "madeUp": 1
        }),
    );
}

#[test]
fn merges_containers_by_name_and_appends_new_ones_in_order() {
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        assert_merged(
            json!({"spec": {list: [{"name": "a", "image": "1", "tty": true}, {"name": "b"}]}}),
            json!({"spec": {list: [{"name": "d"}, {"name": "a", "image": "2"}, {"name": "c"}]}}),
            &json!({"spec": {list: [
                {"name": "a", "image": "2", "tty": true}, {"name": "b"}, {"name": "d"}, {"name": "c"}
            ]}}),
        );
    }
}

#[test]
fn merges_ports_by_number_and_protocol() {
    assert_container(
        json!({"ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]}),
        json!({"ports": [
            {"containerPort": 53, "protocol": "TCP", "name": "tcp"},
            {"containerPort": 53, "protocol": "UDP", "name": "udp"},
            {"containerPort": 54, "protocol": "UDP"}
        ]}),
        &json!({"ports": [
            {"containerPort": 53, "protocol": "TCP", "name": "tcp"},
            {"containerPort": 53, "protocol": "UDP", "name": "udp"},
            {"containerPort": 54, "protocol": "UDP"}
        ]}),
    );
}

#[test]
fn merges_the_other_keyed_lists_of_a_container() {
    assert_container(
        json!({
            "volumeMounts": [{"mountPath": "/a", "name": "x", "readOnly": true}],
            "volumeDevices": [{"devicePath": "/dev/a", "name": "x"}]
        }),
        json!({
            "volumeMounts": [{"mountPath": "/a", "name": "y"}, {"mountPath": "/b", "name": "x"}],
            "volumeDevices": [{"devicePath": "/dev/a", "name": "y"}]
        }),
        &json!({
            "volumeMounts": [
                {"mountPath": "/a", "name": "y", "readOnly": true},
                {"mountPath": "/b", "name": "x"}
            ],
            "volumeDevices": [{"devicePath": "/dev/a", "name": "y"}]
        }),
    );
}

#[test]
fn merges_the_other_keyed_lists_of_a_pod() {
    assert_merged(
        json!({"metadata": {"finalizers": ["a"], "ownerReferences": [{"uid": "1", "name": "x"}]}, "spec": {
            "imagePullSecrets": [{"name": "a"}],
            "hostAliases": [{"ip": "::1", "hostnames": ["a"]}],
            "schedulingGates": [{"name": "a"}],
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1},
                {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1}
            ]
        }}),
        json!({"metadata": {"finalizers": ["b", "a"], "ownerReferences": [{"uid": "1", "kind": "K"}]}, "spec": {
            "imagePullSecrets": [{"name": "b"}, {"name": "a"}],
            "hostAliases": [{"ip": "::1", "hostnames": ["b"]}],
            "schedulingGates": [{"name": "a"}],
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 2}
            ]
        }}),
        &json!({"metadata": {"finalizers": ["a", "b"], "ownerReferences": [{"uid": "1", "name": "x", "kind": "K"}]}, "spec": {
            "imagePullSecrets": [{"name": "a"}, {"name": "b"}],
            "hostAliases": [{"ip": "::1", "hostnames": ["b"]}],
            "schedulingGates": [{"name": "a"}],
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1},
                {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 2}
            ]
        }}),
    );
}

#[test]
fn replaces_lists_without_keys_whole() {
    assert_container(
        json!({
            "args": ["a", "b"],
            "command": ["c"],
            "envFrom": [{"configMapRef": {"name": "a"}}],
            "securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}
        }),
        json!({
            "args": ["z"],
            "command": [],
            "envFrom": [{"configMapRef": {"name": "b"}}],
            "securityContext": {"capabilities": {"add": ["NET_RAW"]}}
        }),
        &json!({
            "args": ["z"],
            "command": [],
            "envFrom": [{"configMapRef": {"name": "b"}}],
            "securityContext": {"capabilities": {"add": ["NET_RAW"], "drop": ["ALL"]}}
        }),
    );
    assert_merged(
        json!({"spec": {"tolerations": [{"key": "a"}], "securityContext": {"supplementalGroups": [1]}}}),
        json!({"spec": {"tolerations": [{"key": "b"}], "securityContext": {"supplementalGroups": [2]}}}),
        &json!({"spec": {"tolerations": [{"key": "b"}], "securityContext": {"supplementalGroups": [2]}}}),
    );
}

#[test]
fn replaces_a_volume_or_claim_of_the_same_name_whole() {
    for list in ["volumes", "resourceClaims"] {
        assert_merged(
            json!({"spec": {list: [{"name": "a", "emptyDir": {}}, {"name": "b"}]}}),
            json!({"spec": {list: [{"name": "a", "configMap": {"name": "c", "optional": null}}]}}),
            &json!({"spec": {list: [{"name": "a", "configMap": {"name": "c"}}, {"name": "b"}]}}),
        );
    }
}

#[test]
fn keeps_one_handler_in_probes_and_lifecycle_hooks() {
    assert_container(
        json!({
            "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 3},
            "readinessProbe": {"httpGet": {"port": 80, "path": "/r"}},
            "startupProbe": {"exec": {"command": ["a"]}},
            "lifecycle": {"preStop": {"sleep": {"seconds": 1}}, "postStart": {"exec": {"command": ["a"]}}}
        }),
        json!({
            "livenessProbe": {"tcpSocket": {"port": 81}},
            "readinessProbe": {"httpGet": {"port": 81}},
            "startupProbe": {"periodSeconds": 7},
            "lifecycle": {"preStop": {"httpGet": {"port": 80}}}
        }),
        &json!({
            "livenessProbe": {"tcpSocket": {"port": 81}, "periodSeconds": 3},
            "readinessProbe": {"httpGet": {"port": 81, "path": "/r"}},
            "startupProbe": {"exec": {"command": ["a"]}, "periodSeconds": 7},
            "lifecycle": {"preStop": {"httpGet": {"port": 80}}, "postStart": {"exec": {"command": ["a"]}}}
        }),
    );
}

#[test]
fn keeps_one_source_of_an_environment_variable() {
    assert_container(
        json!({"env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "D", "value": "4"}
        ]}),
        json!({"env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "B", "value": ""},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "D"}
        ]}),
        &json!({"env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "B", "value": ""},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "D", "value": "4"}
        ]}),
    );
}

#[test]
fn deletes_what_the_overlay_sets_to_null() {
    assert_container(
        json!({"image": "a", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}, "ports": [{"containerPort": 1}]}),
        json!({"image": null, "resources": {"limits": null}, "ports": null, "absent": null}),
        &json!({"resources": {"requests": {"cpu": "1"}}}),
    );
}

#[test]
fn drops_nulls_from_what_is_new() {
    assert_merged(
        json!({"spec": {}}),
        json!({"spec": {"affinity": {"a": null, "b": [{"c": null}]}, "containers": [{"name": "a", "env": null}]}}),
        &json!({"spec": {"affinity": {"b": [{}]}, "containers": [{"name": "a"}]}}),
    );
}

#[test]
fn takes_null_in_the_base_for_absent() {
    assert_merged(
        json!({"metadata": {"creationTimestamp": null, "labels": null}, "spec": {"containers": null}}),
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a"}]}}),
        &json!({
            "metadata": {"creationTimestamp": null, "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "a"}]}
        }),
    );
}

#[test]
fn lets_the_overlay_win_over_another_type() {
    assert_merged(
        json!({"metadata": [1], "spec": {"containers": {"name": "a"}, "nodeName": {}}}),
        json!({"metadata": {"name": "n"}, "spec": {"containers": [{"name": "b"}], "nodeName": "x"}}),
        &json!({"metadata": {"name": "n"}, "spec": {"containers": [{"name": "b"}], "nodeName": "x"}}),
    );
}

#[test]
fn makes_one_of_elements_that_the_overlay_repeats() {
    assert_merged(
        json!({}),
        json!({"spec": {"containers": [{"name": "a", "image": "1", "tty": true}, {"name": "a", "image": "2"}]}}),
        &json!({"spec": {"containers": [{"name": "a", "image": "2", "tty": true}]}}),
    );
}

#[test]
fn meets_the_last_of_variables_that_the_base_repeats() {
    assert_container(
        json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
        json!({"env": [{"name": "A", "value": "3"}]}),
        &json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "3"}]}),
    );
}

#[test]
fn appends_elements_without_a_key() {
    assert_container(
        json!({"env": [{"value": "1"}]}),
        json!({"env": [{"value": "2"}, "text"]}),
        &json!({"env": [{"value": "1"}, {"value": "2"}, "text"]}),
    );
}

#[test]
fn leaves_the_pod_alone_where_the_overlay_is_empty() {
    let pod = json!({"spec": {"containers": [{"name": "a", "env": null}]}});
    assert_merged(pod.clone(), json!({}), &pod);
    assert_merged(pod.clone(), Value::Null, &pod);
    assert_merged(
        pod.clone(),
        json!({"spec": {"containers": [], "volumes": null}}),
        &pod,
    );
}
