//! What takes a pod past the proxy is told, and refused where the values say so.

mod traffic;

use super::{images::Images, *};

/// A pod with an app and these containers besides.
fn with(containers: &[Value]) -> Value {
    let mut pod = web(json!({}), json!({}));
    let list = pod["spec"]["containers"].as_array_mut().unwrap();
    list.extend(containers.iter().cloned());
    pod
}

/// A pod with an app and its own part of the proxy.
fn with_proxy(fields: Value) -> Value {
    let mut proxy = json!({"name": "istio-proxy", "image": "auto"});
    merge::merge_container(&mut proxy, fields);
    with(&[proxy])
}

/// A pod with an app and its own part of the init container.
fn with_init(fields: &Value) -> Value {
    let mut init = json!({"name": "istio-init"});
    let (init_fields, fields) = (init.as_object_mut().unwrap(), fields.as_object().unwrap());
    init_fields.extend(fields.clone());
    let mut pod = web(json!({}), json!({}));
    pod["spec"]["initContainers"] = json!([init]);
    pod
}

fn annotated(name: &str, value: &str) -> Value {
    web(json!({ name: value }), json!({}))
}

/// A configuration whose guards all warn, or all refuse.
fn guarded(refuse: bool) -> Config {
    let guards: Value = Guard::ALL
        .into_iter()
        .map(|guard| (guard.as_str().to_owned(), json!(refuse)))
        .collect();
    configured(&json!({"sidecarInjectorWebhook": {"guards": guards}}), "")
}

static WARNS: LazyLock<Config> = LazyLock::new(|| guarded(false));
static REFUSES: LazyLock<Config> = LazyLock::new(|| guarded(true));

/// The guards that find something where all of them warn, and their warnings.
fn found(config: &Config, pod: &Value) -> (Vec<Guard>, Vec<String>) {
    match inject(config, &target(pod)) {
        Ok(Outcome::Injected(injection)) => {
            let warned = injection.bypasses.iter();
            assert!(warned.clone().all(|found| found.action == Action::Warned));
            let guards = warned.map(|found| found.guard).collect();
            (guards, injection.warnings)
        }
        other => panic!("{other:?}: {pod:#}"),
    }
}

fn assert_harmless(pod: &Value) {
    let (guards, _) = found(&WARNS, pod);
    assert_eq!(guards, [], "{pod:#}");
    assert!(
        inject(&REFUSES, &target(pod)).is_ok(),
        "refused where all guards refuse: {pod:#}"
    );
}

/// That a guard alone finds something, whose warning says this, and refuses it.
fn assert_found(guard: Guard, pod: &Value, says: &[&str]) {
    let (guards, warnings) = found(&WARNS, pod);
    assert_eq!(guards, [guard], "{pod:#}");
    let warning = &warnings[0];
    assert!(warning.chars().count() <= 256, "too long: {warning}");
    for part in says {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    let refusal = inject(&REFUSES, &target(pod)).unwrap_err();
    assert_eq!((refusal.code(), refusal.reason()), (403, "guard"));
    let action = Action::Refused;
    assert_eq!(refusal.bypasses(), [Bypass { guard, action }]);
    let message = refusal.to_string();
    assert!(message.contains(warning.as_str()), "{message}");
    let way_out = format!("sidecarInjectorWebhook.guards.{}=false", guard.as_str());
    assert!(message.contains(&way_out), "{message}");
}

#[test]
fn finds_nothing_on_the_repositorys_sample_pods() {
    let mut pods = Vec::new();
    for review in [
        include_str!("../../../benches/productpage.json"),
        include_str!("../../../fuzz/seeds/review/annotations.json"),
        include_str!("../../../fuzz/seeds/review/gateway.json"),
        include_str!("../../../fuzz/seeds/review/own-proxy.json"),
        include_str!("../../../fuzz/seeds/review/plain.json"),
        include_str!("../../../fuzz/seeds/review/probes.json"),
        include_str!("../../../fuzz/seeds/review/v1beta1.json"),
    ] {
        let review: Value = serde_json::from_str(review).unwrap();
        pods.push(review["request"]["object"].clone());
    }
    for document in
        include_str!("../../../samples/bookinfo/platform/kube/bookinfo.yaml").split("\n---\n")
    {
        let object = crate::yaml::parse(document).unwrap();
        if object["kind"] == "Deployment" {
            pods.push(object["spec"]["template"].clone());
        }
    }
    assert!(pods.len() > 10, "{}", pods.len());
    for pod in &mut pods {
        // A pod of nothing but a proxy has to be a classic one.
        pod["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] = json!("false");
        assert_harmless(pod);
    }
}

#[test]
fn finds_nothing_on_the_users_usual_part_of_the_proxy() {
    assert_harmless(&with_proxy(json!({
        "resources": {"limits": {"cpu": "2"}}, "env": [{"name": "MINE", "value": "1"}],
        "volumeMounts": [{"name": "certs", "mountPath": "/etc/certs"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {"runAsUser": 1500, "runAsGroup": 1500, "privileged": false,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}},
    })));
}

#[test]
fn refuses_an_init_container_of_the_users_own_by_default() {
    let pod = with_init(&json!({"image": "my/init:1", "args": ["my", "own"]}));
    let refusal = refused(&pod);
    assert_eq!(refusal.code(), 403);
    assert_eq!(
        refusal.to_string(),
        "the pod's own container istio-init sets args, image: it may capture no traffic, and may run anything with \
         NET_ADMIN and NET_RAW (the chart's value sidecarInjectorWebhook.guards.initContainerOverride=false allows it)"
    );
    // All others are let pass by default.
    assert_eq!(
        found(&BUILTIN, &with_proxy(json!({"args": ["x"]}))).0.len(),
        1
    );
}

#[test]
fn finds_whatever_an_init_container_of_the_users_own_does() {
    for (field, value) in [
        ("image", json!("busybox")),
        ("command", json!(["true"])),
        ("args", json!(["--version"])),
        ("args", json!([])),
        ("securityContext", json!({"privileged": true})),
        ("env", json!([{"name": "A", "value": "b"}])),
        ("envFrom", json!([{"configMapRef": {"name": "c"}}])),
        (
            "lifecycle",
            json!({"postStart": {"exec": {"command": ["true"]}}}),
        ),
        (
            "volumeMounts",
            json!([{"name": "v", "mountPath": "/usr/local/bin"}]),
        ),
        ("restartPolicy", json!("Always")),
        ("workingDir", json!("/")),
        ("fieldOfTomorrow", json!(1)),
    ] {
        let pod = with_init(&json!({ field: value }));
        assert_found(Guard::InitContainerOverride, &pod, &["istio-init", field]);
    }
    let validation = with(&[json!({"name": "istio-validation", "image": "x"})]);
    assert_found(
        Guard::InitContainerOverride,
        &validation,
        &["istio-validation"],
    );
}

#[test]
fn leaves_the_resources_of_an_init_container_to_the_user() {
    for fields in [
        json!({}),
        json!({"image": ""}),
        // What the API server sends: its defaults, and the token's mount.
        json!({"image": "auto", "resources": {"limits": {"cpu": "1"}}, "imagePullPolicy": "Always",
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "volumeMounts": [{"name": "kube-api-access-x2x7q", "readOnly": true,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}),
        json!({"args": null, "env": [], "securityContext": {}}),
    ] {
        assert_harmless(&with_init(&fields));
    }
}

#[test]
fn finds_another_program_in_the_proxys_place() {
    for (field, value) in [
        ("image", json!("my/proxy:1")),
        ("command", json!(["sleep"])),
        ("args", json!(["--version"])),
        ("restartPolicy", json!("Never")),
    ] {
        let pod = with_proxy(json!({ field: value }));
        assert_found(Guard::ProxyContainerOverride, &pod, &["istio-proxy", field]);
    }
}

#[test]
fn finds_a_proxy_with_more_rights() {
    for context in [
        json!({"privileged": true}),
        json!({"allowPrivilegeEscalation": true}),
        json!({"capabilities": {"add": ["NET_ADMIN"]}}),
        json!({"capabilities": {"drop": []}}),
        json!({"runAsUser": 0}),
    ] {
        let pod = with_proxy(json!({ "securityContext": context }));
        let field = context.as_object().unwrap().keys().next().unwrap();
        assert_found(Guard::ProxyContainerOverride, &pod, &["istio-proxy", field]);
    }
}

#[test]
fn finds_a_proxy_that_trusts_somebody_else() {
    let guard = Guard::ProxyIdentityOverride;
    let pod = with_proxy(json!({"env": [{"name": "CA_ADDR", "value": "mine:1"}]}));
    assert_found(guard, &pod, &["istio-proxy", "CA_ADDR"]);
    for config in [
        "proxyMetadata: {TRUST_DOMAIN: mine}",
        "proxyMetadata: {PILLION_WHEN_UNREACHABLE: Passthrough}",
        "discoveryAddress: mine:1",
    ] {
        let pod = annotated("proxy.istio.io/config", config);
        assert_found(guard, &pod, &["proxy.istio.io/config"]);
    }
    // Nobody is told of the mesh's own address.
    let mesh = "defaultConfig: {discoveryAddress: 'mine:1'}";
    let config = configured(&json!({}), mesh);
    let pod = annotated("proxy.istio.io/config", "discoveryAddress: mine:1");
    assert_eq!(found(&config, &pod).0, []);
}

#[test]
fn finds_another_image_for_the_proxy() {
    let name = "sidecar.istio.io/proxyImage";
    let pod = annotated(name, "my/proxy:2");
    assert_found(
        Guard::ProxyImageOverride,
        &pod,
        &["my/proxy:2", "istio-init"],
    );
    // One without a registry has no effect, and neither has the configured one.
    assert_harmless(&annotated(name, "proxyv2"));
    let configured = Images::configured(&BUILTIN.values).proxy;
    assert_harmless(&annotated(name, &configured));
}

#[test]
fn finds_applications_that_run_as_the_proxy() {
    let guard = Guard::ApplicationAsProxyUser;
    for context in [json!({"runAsUser": 1337}), json!({"runAsGroup": 1337})] {
        let pod = web(json!({}), json!({ "securityContext": context }));
        assert_found(guard, &pod, &["app", "1337"]);
        let mut pod = web(json!({}), json!({}));
        pod["spec"]["securityContext"] = context.clone();
        assert_found(guard, &pod, &["app"]);
        let mut pod = web(json!({}), json!({}));
        pod["spec"]["initContainers"] =
            json!([{"name": "setup", "image": "x", "securityContext": context}]);
        assert_found(guard, &pod, &["setup"]);
    }
}

#[test]
fn takes_the_user_that_the_proxy_really_has() {
    let mut pod = with_proxy(json!({"securityContext": {"runAsUser": 1500}}));
    pod["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 1337});
    assert_harmless(&pod);
    pod["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 1500});
    assert_found(Guard::ApplicationAsProxyUser, &pod, &["app", "1500"]);
}

#[test]
fn leaves_a_pods_user_that_its_containers_override() {
    let mut pod = web(
        json!({}),
        json!({"securityContext": {"runAsUser": 1000, "runAsGroup": 1000}}),
    );
    pod["spec"]["securityContext"] =
        json!({"runAsUser": 1337, "runAsGroup": 1337, "fsGroup": 1337});
    assert_harmless(&pod);
}

#[test]
fn finds_files_of_the_node_that_come_by_annotation() {
    let name = "sidecar.istio.io/userVolume";
    for volumes in [
        r#"{"a": {"emptyDir": {}}, "node": {"hostPath": {"path": "/"}}}"#,
        r#"[{"name": "node", "hostPath": {"path": "/"}}]"#,
    ] {
        let pod = annotated(name, volumes);
        assert_found(Guard::UserVolumeHostPath, &pod, &[name, "node"]);
    }
    assert_harmless(&annotated(name, r#"{"a": {"emptyDir": {}}}"#));
}

#[test]
fn tells_all_at_once() {
    let mut pod = with_init(&json!({"image": "my/init:1"}));
    let annotations = &mut pod["metadata"]["annotations"];
    annotations["sidecar.istio.io/interceptionMode"] = json!("NONE");
    annotations["traffic.sidecar.istio.io/includeInboundPorts"] = json!("");
    annotations["traffic.sidecar.istio.io/includeOutboundIPRanges"] = json!("");
    pod["spec"]["securityContext"] = json!({"runAsUser": 1337});
    let guards = [
        Guard::InitContainerOverride,
        Guard::ApplicationAsProxyUser,
        Guard::CaptureExclusion,
        Guard::InterceptionModeNone,
    ];
    let (warned, warnings) = found(&WARNS, &pod);
    assert_eq!(warned, guards);
    assert!(warnings.len() > 4, "{warnings:?}");

    let refusal = inject(&REFUSES, &target(&pod)).unwrap_err();
    assert_eq!(refusal.bypasses().len(), 4);
    for warning in &warnings[..5] {
        assert!(refusal.to_string().contains(warning.as_str()), "{refusal}");
    }

    // What is let pass is told with a refusal, too, but not as a part of it.
    let refusal = refused(&pod);
    assert_eq!(refusal.warnings(), warnings[1..5]);
    assert!(!refusal.to_string().contains("NONE"), "{refusal}");
    let refusals = refusal.bypasses().into_iter();
    assert_eq!(
        refusals
            .filter(|found| found.action == Action::Refused)
            .count(),
        1
    );
}

#[test]
fn names_some_of_very_many_containers() {
    let context = json!({"runAsUser": 1337});
    let app = |n: usize| json!({"name": format!("{n}{}", "x".repeat(30)), "image": "x", "securityContext": context});
    let pod = with(&(0..3000).map(app).collect::<Vec<_>>());
    let (_, warnings) = found(&WARNS, &pod);
    let warning = &warnings[0];
    assert!(warning.contains(" and 2997 more: "), "{warning}");
    assert!(warning.chars().count() <= 256, "{warning}");
}

#[test]
fn guards_are_the_charts_values() {
    let chart = crate::yaml::parse(include_str!("../../../charts/pillion/values.yaml")).unwrap();
    let schema: Value =
        serde_json::from_str(include_str!("../../../charts/pillion/values.schema.json")).unwrap();
    let values = chart["sidecarInjectorWebhook"]["guards"]
        .as_object()
        .unwrap();
    let known = &schema["properties"]["sidecarInjectorWebhook"]["properties"]["guards"];
    let mut names: Vec<_> = Guard::ALL.map(Guard::as_str).into();
    names.sort_unstable();
    assert_eq!(values.keys().collect::<Vec<_>>(), names);
    let known = known["properties"].as_object().unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), names);
    for guard in Guard::ALL {
        assert_eq!(
            values[guard.as_str()],
            guard.refuses_by_default(),
            "{guard:?}"
        );
    }
}

#[test]
fn rejects_values_that_are_not_guards() {
    let sources = |guards: &str| {
        Config::parse(&Sources {
            config: "templates: {sidecar: {}}",
            values: &format!("sidecarInjectorWebhook: {{guards: {guards}}}"),
            mesh: "",
        })
    };
    assert!(sources("{captureExclusion: true, hostPath: null}").is_ok());
    let faults = sources("{captureExclusions: true, proxyImageOverride: 'yes'}")
        .unwrap_err()
        .faults;
    assert!(faults[0].message.contains("unknown guard"), "{faults:?}");
    assert!(
        faults[1].message.contains("neither true nor false"),
        "{faults:?}"
    );
}
