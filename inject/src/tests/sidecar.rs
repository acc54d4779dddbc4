//! The sidecar template.

use super::*;

#[test]
fn a_native_sidecar_starts_before_the_users_init_containers() {
    let mut pod = web(json!({}), json!({}));
    pod["spec"]["initContainers"] = json!([{"name": "setup", "image": "x"}]);
    let pod = injected(&pod);
    assert_eq!(
        names(&pod["spec"]["initContainers"]),
        ["istio-init", "istio-proxy", "setup"]
    );
    assert_eq!(names(&pod["spec"]["containers"]), ["app"]);
    assert_eq!(container(&pod, "istio-proxy")["restartPolicy"], "Always");
    assert!(container(&pod, "istio-proxy")["lifecycle"]["preStop"].is_object());
}

#[test]
fn a_classic_sidecar_is_the_last_container() {
    let mut pod = web(
        json!({"sidecar.istio.io/nativeSidecar": "false"}),
        json!({}),
    );
    pod["spec"]["initContainers"] = json!([{"name": "setup", "image": "x"}]);
    let pod = injected(&pod);
    assert_eq!(
        names(&pod["spec"]["initContainers"]),
        ["setup", "istio-init"]
    );
    assert_eq!(names(&pod["spec"]["containers"]), ["app", "istio-proxy"]);
    let proxy = container(&pod, "istio-proxy");
    assert_eq!(
        (&proxy["restartPolicy"], &proxy["lifecycle"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_classic_sidecar_that_holds_the_app_is_the_first_container() {
    let annotations = json!({"sidecar.istio.io/nativeSidecar": "false",
        "proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"});
    let pod = injected(&web(annotations, json!({})));
    assert_eq!(names(&pod["spec"]["containers"]), ["istio-proxy", "app"]);
    let hook = &container(&pod, "istio-proxy")["lifecycle"]["postStart"];
    assert_eq!(hook["exec"]["command"], json!(["pillion-proxy", "wait"]));
}

#[test]
fn the_clusters_version_decides_unless_values_or_the_pod_do() {
    let pod = web(json!({}), json!({}));
    let is_native = |config: &Config, target: &Target<'_>| {
        names(&inject_with(config, target).0["spec"]["initContainers"]).contains(&"istio-proxy")
    };
    let old = Target {
        cluster_has_native_sidecars: false,
        ..target(&pod)
    };
    assert!(is_native(&BUILTIN, &target(&pod)));
    assert!(!is_native(&BUILTIN, &old));
    assert!(is_native(
        &configured(&json!({"global": {"nativeSidecars": true}}), ""),
        &old
    ));
    assert!(!is_native(
        &configured(&json!({"global": {"nativeSidecars": "false"}}), ""),
        &target(&pod)
    ));
}

#[test]
fn labels_and_annotations_tell_the_mesh_what_the_pod_is() {
    let pod = injected(&web(json!({}), json!({})));
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["security.istio.io/tlsMode"], "istio");
    assert_eq!(labels["service.istio.io/canonical-name"], "web");
    assert_eq!(labels["service.istio.io/canonical-revision"], "v2");
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations["istio.io/rev"], "default");
    assert_eq!(
        annotations["kubectl.kubernetes.io/default-container"],
        "app"
    );
    assert_eq!(
        annotations["kubectl.kubernetes.io/default-logs-container"],
        "app"
    );
    let status: Value =
        serde_json::from_str(annotations["sidecar.istio.io/status"].as_str().unwrap()).unwrap();
    assert_eq!(
        status["initContainers"],
        json!(["istio-init", "istio-proxy"])
    );
    assert_eq!(status["containers"], Value::Null);
}

#[test]
fn a_pod_takes_no_mutual_tls_where_that_is_off() {
    for discovery in [json!({"mutualTls": false}), json!({"enabled": false})] {
        let config = configured(&json!({"discovery": discovery}), "");
        let pod = inject_with(&config, &target(&web(json!({}), json!({})))).0;
        assert_eq!(
            pod["metadata"]["labels"]["security.istio.io/tlsMode"],
            "disabled"
        );
    }
}

#[test]
fn what_the_user_set_of_labels_and_annotations_stays() {
    let mut pod = web(
        json!({"kubectl.kubernetes.io/default-container": "side"}),
        json!({}),
    );
    pod["metadata"]["labels"]["security.istio.io/tlsMode"] = json!("disabled");
    pod["metadata"]["labels"]["service.istio.io/canonical-name"] = json!("storefront");
    let pod = injected(&pod);
    assert_eq!(
        pod["metadata"]["labels"]["security.istio.io/tlsMode"],
        "disabled"
    );
    assert_eq!(
        pod["metadata"]["labels"]["service.istio.io/canonical-name"],
        "storefront"
    );
    assert_eq!(
        pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"],
        "side"
    );
}

#[test]
fn a_long_name_is_cut_to_a_labels_length() {
    let name = format!("{}.-{}", "a".repeat(61), "b".repeat(20));
    let pod =
        injected(&json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "app"}]}}));
    assert_eq!(
        pod["metadata"]["labels"]["service.istio.io/canonical-name"],
        "a".repeat(61)
    );
}

#[test]
fn the_environment_names_the_pod_and_its_workload() {
    let annotations = json!({"proxy.istio.io/config": "proxyMetadata: {FOO: bar}\nconcurrency: 1"});
    let app = json!({"ports": [{"name": "http", "containerPort": 9080, "x-unknown": 1}]});
    let pod = injected(&web(annotations, app));
    let proxy = container(&pod, "istio-proxy");
    for (name, value) in [
        ("CA_ADDR", "pillion-discovery.istio-system.svc:15012"),
        ("ISTIO_META_WORKLOAD_NAME", "web"),
        (
            "ISTIO_META_OWNER",
            "kubernetes://apis/apps/v1/namespaces/shop/deployments/web",
        ),
        ("CANONICAL_SERVICE", "web"),
        ("CANONICAL_REVISION", "v2"),
        ("ISTIO_META_APP_CONTAINERS", "app"),
        (
            "ISTIO_META_POD_PORTS",
            r#"[{"containerPort":9080,"name":"http"}]"#,
        ),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        (
            "PROXY_CONFIG",
            r#"{"concurrency":1,"proxyMetadata":{"FOO":"bar"}}"#,
        ),
        ("FOO", "bar"),
    ] {
        assert_eq!(env(proxy, name), Some(value), "{name}");
    }
    assert_eq!(env(container(&pod, "istio-init"), "FOO"), Some("bar"));
}

#[test]
fn the_webhooks_path_sets_the_cluster_and_the_network() {
    let path_env = [
        ("ISTIO_META_CLUSTER_ID", "c1"),
        ("ISTIO_META_NETWORK", "n1"),
        ("X", "y"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut pod = web(json!({}), json!({}));
    let with_path = |pod: &Value| {
        inject_with(
            &BUILTIN,
            &Target {
                path_env: &path_env,
                ..target(pod)
            },
        )
        .0
    };
    let by_path = with_path(&pod);
    let proxy = container(&by_path, "istio-proxy");
    assert_eq!(env(proxy, "ISTIO_META_CLUSTER_ID"), Some("c1"));
    assert_eq!(env(proxy, "ISTIO_META_NETWORK"), Some("n1"));
    assert_eq!(env(proxy, "X"), Some("y"));
    assert_eq!(
        by_path["metadata"]["labels"]["topology.istio.io/network"],
        "n1"
    );
    pod["metadata"]["labels"]["topology.istio.io/network"] = json!("mine");
    let by_label = with_path(&pod);
    assert_eq!(
        env(container(&by_label, "istio-proxy"), "ISTIO_META_NETWORK"),
        Some("mine")
    );
}

#[test]
fn traffic_annotations_become_capture_arguments() {
    let pod = injected(&web(
        json!({
            "traffic.sidecar.istio.io/includeInboundPorts": "1,2,3",
            "traffic.sidecar.istio.io/excludeInboundPorts": "4,5",
            "traffic.sidecar.istio.io/excludeOutboundPorts": "7",
            "traffic.sidecar.istio.io/includeOutboundPorts": "8",
            "traffic.sidecar.istio.io/includeOutboundIPRanges": "10.96.0.1/24",
            "traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.96.0.2/32",
            "traffic.sidecar.istio.io/excludeInterfaces": "eth1",
            "istio.io/reroute-virtual-interfaces": "net1",
        }),
        json!({}),
    ));
    let expected = "init -p 15001 -z 15006 -u 1337 -m REDIRECT -i 10.96.0.1/24 -x 10.96.0.2/32 -b 1,2,3 \
        -d 15090,15021,4,5,15020 -q 8 -o 7 -c eth1 -k net1";
    assert_eq!(arguments(container(&pod, "istio-init")).join(" "), expected);
}

#[test]
fn an_empty_traffic_annotation_counts() {
    let pod = injected(&web(
        json!({"traffic.sidecar.istio.io/includeInboundPorts": ""}),
        json!({}),
    ));
    let arguments = arguments(container(&pod, "istio-init"));
    let at = arguments
        .iter()
        .position(|argument| *argument == "-b")
        .unwrap();
    assert_eq!(arguments[at + 1], "");
}

#[test]
fn without_capture_there_is_no_init_container() {
    let pod = injected(&web(
        json!({"sidecar.istio.io/interceptionMode": "NONE"}),
        json!({}),
    ));
    assert_eq!(names(&pod["spec"]["initContainers"]), ["istio-proxy"]);
}

#[test]
fn a_status_port_of_zero_takes_the_probes_away() {
    let app = json!({"livenessProbe": {"httpGet": {"port": 80}}});
    let pod = injected(&web(
        json!({"status.sidecar.istio.io/port": "0"}),
        app.clone(),
    ));
    let proxy = container(&pod, "istio-proxy");
    assert_eq!(
        (&proxy["startupProbe"], &proxy["readinessProbe"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        container(&pod, "app")["livenessProbe"],
        app["livenessProbe"]
    );
    assert!(arguments(container(&pod, "istio-init")).contains(&"15090,15021"));
}

#[test]
fn the_status_port_is_one_for_probes_metrics_and_capture() {
    let annotations = json!({"status.sidecar.istio.io/port": "123",
        "readiness.status.sidecar.istio.io/initialDelaySeconds": "100",
        "readiness.status.sidecar.istio.io/periodSeconds": "200",
        "readiness.status.sidecar.istio.io/failureThreshold": "300"});
    let pod = injected(&web(
        annotations,
        json!({"livenessProbe": {"tcpSocket": {"port": 80}}}),
    ));
    assert_eq!(
        container(&pod, "app")["livenessProbe"]["httpGet"]["port"],
        123
    );
    assert_eq!(pod["metadata"]["annotations"]["prometheus.io/port"], "123");
    assert!(arguments(container(&pod, "istio-init")).contains(&"15090,15021,123"));
    let readiness = &container(&pod, "istio-proxy")["readinessProbe"];
    assert_eq!(
        [
            &readiness["initialDelaySeconds"],
            &readiness["periodSeconds"],
            &readiness["failureThreshold"]
        ],
        [100, 200, 300]
    );
}

#[test]
fn one_resource_annotation_replaces_all_configured_resources() {
    let pod = injected(&web(
        json!({"sidecar.istio.io/proxyCPU": "100m", "sidecar.istio.io/proxyMemoryLimit": "2Gi"}),
        json!({}),
    ));
    let expected = json!({"requests": {"cpu": "100m"}, "limits": {"memory": "2Gi"}});
    for name in ["istio-init", "istio-proxy"] {
        assert_eq!(container(&pod, name)["resources"], expected, "{name}");
    }
}

#[test]
fn the_image_annotation_counts_only_when_it_names_a_registry() {
    let image = |value: &str| {
        let pod = injected(&web(
            json!({"sidecar.istio.io/proxyImage": value}),
            json!({}),
        ));
        ["istio-init", "istio-proxy"]
            .map(|name| container(&pod, name)["image"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        image("example.com/proxy:7"),
        ["example.com/proxy:7", "example.com/proxy:7"]
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        image("proxyv2")[1],
        format!("docker.io/pillion/pillion-proxy:{version}")
    );
}

#[test]
fn pull_secrets_are_added_to_the_users() {
    let mut pod = web(json!({}), json!({}));
    pod["spec"]["imagePullSecrets"] = json!([{"name": "mine"}]);
    let config = configured(
        &json!({"global": {"imagePullSecrets": ["ours", "mine"]}}),
        "",
    );
    let (pod, _) = inject_with(&config, &target(&pod));
    assert_eq!(names(&pod["spec"]["imagePullSecrets"]), ["mine", "ours"]);
}

#[test]
fn fields_that_nobody_knows_survive() {
    let mut pod = web(
        json!({}),
        json!({"fieldOfTomorrow": {"deep": [1, null, "x"]}}),
    );
    pod["spec"]["podFieldOfTomorrow"] = json!([{"a": 1}]);
    pod["metadata"]["metaFieldOfTomorrow"] = json!(true);
    let injected = injected(&pod);
    assert_eq!(
        injected["spec"]["podFieldOfTomorrow"],
        pod["spec"]["podFieldOfTomorrow"]
    );
    assert_eq!(injected["metadata"]["metaFieldOfTomorrow"], true);
    assert_eq!(container(&injected, "app"), &pod["spec"]["containers"][0]);
}

#[test]
fn hostile_annotations_never_become_structure() {
    let hostile =
        "\"}], \"hostPID\": true, {{ 7 * 7 }} {% set x = 1 %}\n- name: evil\n  image: evil";
    for name in [
        "sidecar.istio.io/proxyImage",
        "sidecar.istio.io/componentLogLevel",
        "kubectl.kubernetes.io/default-container",
        "sidecar.istio.io/nativeSidecar",
    ] {
        let plain = injected(&web(json!({ name: "a/b" }), json!({})));
        let attacked = injected(&web(json!({ name: format!("a/{hostile}") }), json!({})));
        assert_eq!(shape(&attacked), shape(&plain), "{name}");
    }
}

/// The value with every string blanked.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(_) => json!(""),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), shape(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[test]
fn refuses_an_unknown_template_and_names_the_known_ones() {
    let refusal = refused(&web(
        json!({"inject.istio.io/templates": "sidecar, grpc-agent"}),
        json!({}),
    ));
    assert_eq!(
        refusal,
        Refusal::UnknownTemplate(
            "requested template \"grpc-agent\" not found; have gateway, sidecar".into()
        )
    );
}

#[test]
fn refuses_an_annotation_that_names_no_template() {
    for list in ["", " ", ",\u{2028}"] {
        let pod = web(json!({"inject.istio.io/templates": list}), json!({}));
        assert_eq!(
            refused(&pod),
            Refusal::UnknownTemplate(
                "annotation \"inject.istio.io/templates\" names no template; have gateway, sidecar"
                    .into()
            )
        );
    }
}

#[test]
fn refuses_an_annotation_that_repeats_a_template() {
    let pod = web(
        json!({"inject.istio.io/templates": "sidecar, gateway,sidecar"}),
        json!({}),
    );
    let expected =
        "annotation \"inject.istio.io/templates\" names \"sidecar\" twice; name each template once";
    let refusal = refused(&pod);
    assert_eq!(refusal.reason(), "invalid_annotation");
    assert_eq!(refusal.to_string(), expected);
}

#[test]
fn refuses_a_pod_that_it_injected_itself() {
    let refusal = refused(&injected(&web(json!({}), json!({}))));
    assert_eq!(refusal.code(), 409);
    assert!(
        refusal.to_string().contains("istio-init, istio-proxy"),
        "{refusal}"
    );
}

#[test]
fn warns_of_annotations_without_effect() {
    let annotations = json!({"sidecar.istio.io/proxyImageType": "debug", "sidecar.istio.io/agentLogLevel": "default:debug"});
    let (_, warnings) = inject_with(&BUILTIN, &target(&web(annotations, json!({}))));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

/// A fault there would have been found out by nobody: discovery reads it, long after the pod was made.
#[test]
fn tracing_that_can_not_be_is_refused_and_what_is_not_built_is_told() {
    let pod = |tracing: &str| {
        let config = format!("tracing: {tracing}");
        web(json!({ "proxy.istio.io/config": config }), json!({}))
    };
    let refusal = refused(&pod("{zipkin: {address: zipkin}, customTags: {a: {}}}"));
    assert_eq!(refusal.reason(), "invalid_annotation");
    let refusal = refusal.to_string();
    for said in [
        "tracing.zipkin.address: must be HOST:PORT, not \"zipkin\"",
        "tracing.customTags.a: exactly one of literal, environment and header must be set",
    ] {
        assert!(refusal.contains(said), "{refusal}");
    }
    let dog = pod("{datadog: {address: 'dog:8126'}}");
    let (_, warnings) = inject_with(&BUILTIN, &target(&dog));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("not built (datadog)"), "{warnings:?}");
}

#[test]
fn an_empty_label_names_nothing() {
    let mut pod = web(json!({}), json!({}));
    pod["metadata"]["labels"]["app"] = json!("");
    let labels = &injected(&pod)["metadata"]["labels"];
    assert_eq!(labels["service.istio.io/canonical-name"], "web");
}

#[test]
fn the_mesh_s_access_log_reaches_the_proxy() {
    let pod = web(json!({}), json!({}));
    let access_log = |mesh: &str| {
        let config = configured(&json!({}), mesh);
        let (pod, _) = inject_with(&config, &target(&pod));
        env(container(&pod, "istio-proxy"), "PILLION_ACCESS_LOG").map(str::to_owned)
    };
    assert_eq!(access_log(""), None);
    assert_eq!(access_log("accessLogFile: ''"), None);
    let read = |mesh: &str| -> Value { serde_json::from_str(&access_log(mesh).unwrap()).unwrap() };
    assert_eq!(
        read("accessLogFile: /dev/stdout"),
        json!({"accessLogFile": "/dev/stdout", "accessLogEncoding": null, "accessLogFormat": null})
    );
    let format = r#"{"a": "<%REQ(X)%> 'b' $(POD_NAME)\n"}"#;
    let mesh =
        json!({"accessLogFile": "/log", "accessLogEncoding": "JSON", "accessLogFormat": format});
    assert_eq!(read(&mesh.to_string()), mesh);
    assert!(!access_log(&mesh.to_string()).unwrap().contains('$'));
}
