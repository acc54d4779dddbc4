//! Pods that the API server's validation accepts as they come out, in the order
//! that the kubelet starts their containers.

use serde_json::{Value, json};

use super::installation::{Installation, names, pod, stdout};

/// An installation and a namespace of it.
async fn shop() -> (Installation, String) {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    (installation, namespace)
}

fn app(annotations: Value) -> Value {
    let mut pod = pod(json!({"app": "web"}), annotations);
    pod["spec"]["initContainers"] = json!([{"name": "migrate", "image": "migrate:1"}]);
    pod
}

fn container<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut items = list.as_array().unwrap().iter();
    items.find(|item| item["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_sidecar_starts_before_the_apps_init_containers() {
    let (installation, namespace) = shop().await;
    let pod = installation.pod(&namespace, &app(json!({}))).await;
    let init = &pod["spec"]["initContainers"];
    assert_eq!(names(init), ["istio-init", "istio-proxy", "migrate"]);
    assert_eq!(container(init, "istio-proxy")["restartPolicy"], "Always");
    assert_eq!(names(&pod["spec"]["containers"]), ["web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_go_through_the_proxy() {
    let (installation, namespace) = shop().await;
    let mut sent = app(json!({}));
    sent["spec"]["containers"][0]["ports"] = json!([{"name": "http", "containerPort": 8080}]);
    sent["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTPS"}, "periodSeconds": 7});
    sent["spec"]["containers"][0]["livenessProbe"] = json!({"grpc": {"port": 9090}});
    sent["spec"]["containers"][0]["startupProbe"] = json!({"tcpSocket": {"port": 8080}});
    let pod = installation.pod(&namespace, &sent).await;
    let web = container(&pod["spec"]["containers"], "web");
    for (probe, path) in [
        ("readinessProbe", "/app-health/web/readyz"),
        ("livenessProbe", "/app-health/web/livez"),
        ("startupProbe", "/app-health/web/startupz"),
    ] {
        let expected = json!({"path": path, "port": 15020, "scheme": "HTTP"});
        assert_eq!(web[probe]["httpGet"], expected, "{probe}");
    }
    assert_eq!(web["readinessProbe"]["periodSeconds"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_its_own_proxy() {
    let (installation, namespace) = shop().await;
    let mut sent = pod(
        json!({"app": "ingress"}),
        json!({"inject.istio.io/templates": "gateway"}),
    );
    sent["spec"]["containers"] =
        json!([{"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8443}]}]);
    let pod = installation.pod(&namespace, &sent).await;
    assert_eq!(names(&pod["spec"]["containers"]), ["istio-proxy"]);
    assert_eq!(names(&pod["spec"]["initContainers"]), Vec::<&str>::new());
    let proxy = &pod["spec"]["containers"][0];
    assert_ne!(proxy["image"], "auto");
    let ports = proxy["ports"].as_array().unwrap().iter();
    let ports: Vec<_> = ports.map(|port| &port["containerPort"]).collect();
    assert!(ports.contains(&&json!(8443)), "{ports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_part_of_the_proxy_wins() {
    let (installation, namespace) = shop().await;
    let mut sent = app(json!({}));
    let own = json!({"name": "istio-proxy", "image": "auto", "resources": {"limits": {"memory": "333Mi"}}});
    sent["spec"]["containers"].as_array_mut().unwrap().push(own);
    let pod = installation.pod(&namespace, &sent).await;
    assert_eq!(names(&pod["spec"]["containers"]), ["web"]);
    let proxy = container(&pod["spec"]["initContainers"], "istio-proxy");
    assert_eq!(proxy["resources"]["limits"]["memory"], "333Mi");
    assert_ne!(proxy["image"], "auto");
}

/// The warnings that `kubectl create` shows.
async fn warnings(installation: &Installation, namespace: &str, pod: &Value) -> String {
    let create = ["-n", namespace, "create", "--dry-run=server", "-f", "-"];
    let output = installation.kubectl(&create, &pod.to_string()).await;
    stdout(&output);
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_warned_where_they_might_expect_a_sidecar() {
    let (installation, namespace) = shop().await;
    let mut on_host = pod(json!({}), json!({}));
    on_host["spec"]["hostNetwork"] = json!(true);
    let mut auto = pod(json!({}), json!({"sidecar.istio.io/inject": "false"}));
    auto["spec"]["containers"][0]["image"] = json!("auto");
    let unclear = pod(json!({}), json!({"sidecar.istio.io/inject": "yes"}));
    for (pod, word) in [
        (on_host, "hostNetwork"),
        (auto, "image: auto"),
        (unclear, "\"yes\""),
    ] {
        let warnings = warnings(&installation, &namespace, &pod).await;
        assert!(warnings.starts_with("Warning: "), "{word}: {warnings:?}");
        assert!(warnings.contains(word), "{word}: {warnings:?}");
    }
    let plain = warnings(&installation, &namespace, &pod(json!({}), json!({}))).await;
    assert_eq!(plain, "");
}
