//! The application's probes, which the injector has pointed at the sidecar.

use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::harness::{Container, Namespace, busybox, eventually, pod, samples};

/// A container with a readiness probe. All of a pod's are on its one address, so each has a port of its own.
fn probed(name: &str, application: &str, port: u16, probe: &Value) -> Container {
    let mut container = samples(name, &["pillion-samples", application]);
    container["env"] = json!([{"name": "PORT", "value": port.to_string()}]);
    container["readinessProbe"] = probe.clone();
    container["readinessProbe"]["periodSeconds"] = json!(1);
    container
}

fn status(code: u16, port: u16) -> Value {
    json!({"httpGet": {"path": format!("/status/{code}"), "port": port}})
}

/// For each kind of probe, a container whose application is well and one whose application is not.
fn containers() -> Vec<Container> {
    // No application listens there.
    let unused = 9;
    vec![
        probed("http-good", "httpbin", 8001, &status(200, 8001)),
        probed("http-bad", "httpbin", 8002, &status(503, 8002)),
        probed(
            "tcp-good",
            "httpbin",
            8003,
            &json!({"tcpSocket": {"port": 8003}}),
        ),
        probed(
            "tcp-bad",
            "httpbin",
            8004,
            &json!({"tcpSocket": {"port": unused}}),
        ),
        probed(
            "grpc-good",
            "grpc-echo",
            8005,
            &json!({"grpc": {"port": 8005}}),
        ),
        // It speaks HTTP/2, and has no health service.
        probed(
            "grpc-bad",
            "httpbin",
            8006,
            &json!({"grpc": {"port": 8006}}),
        ),
        probed(
            "exec-good",
            "httpbin",
            8007,
            &json!({"exec": {"command": ["curl", "-f", "localhost:8007"]}}),
        ),
        probed(
            "exec-bad",
            "httpbin",
            8008,
            &json!({"exec": {"command": ["curl", "-f", "localhost:9"]}}),
        ),
    ]
}

#[tokio::test]
async fn all_four_kinds_say_what_the_application_says() {
    let Some(shop) = Namespace::injected("probes").await else {
        return;
    };
    shop.create(&[pod("web", &containers())]).await;
    for kind in ["http", "tcp", "grpc", "exec"] {
        let (good, bad) = (format!("{kind}-good"), format!("{kind}-bad"));
        eventually(&format!("{good} is ready"), async || {
            shop.container("web", &good).await?.ready.then_some(())
        })
        .await;
        let said = complaint(&shop, &bad).await;
        assert!(said.contains("Readiness probe failed"), "{bad}: {said}");
        let expected = match kind {
            "http" => "statuscode: 503",
            "exec" => "",
            // The sidecar's own answer.
            _ => "statuscode: 500",
        };
        assert!(said.contains(expected), "{bad}: {said}");
        let ready = shop.container("web", &bad).await.unwrap().ready;
        assert!(!ready, "{bad}");
    }
    // The kubelet has asked the sidecar, but for the command that it runs by itself.
    let rewritten = "jsonpath={.spec.containers[*].readinessProbe.httpGet.path}";
    let paths = shop.kubectl(&["get", "pod", "web", "-o", rewritten]).await;
    let expected = [
        "http-good",
        "http-bad",
        "tcp-good",
        "tcp-bad",
        "grpc-good",
        "grpc-bad",
    ]
    .map(|name| format!("/app-health/{name}/readyz"));
    assert_eq!(paths, expected.join(" "));
}

/// What the kubelet's event says of the probe of a container.
async fn complaint(shop: &Namespace, container: &str) -> String {
    let of_it = format!("involvedObject.fieldPath=spec.containers{{{container}}},reason=Unhealthy");
    let parameters = ListParams::default().fields(&of_it);
    eventually(&format!("{container} is found ill"), async || {
        let events = shop.api::<Event>().list(&parameters).await.unwrap();
        events.items.into_iter().find_map(|event| event.message)
    })
    .await
}

/// A web server with the page /healthy.
const HEALTHY: &str =
    "mkdir -p /tmp/www; touch /tmp/www/healthy; exec httpd -f -p 8080 -h /tmp/www";

#[tokio::test]
async fn an_application_that_says_that_it_is_ill_is_restarted_without_its_proxy() {
    let Some(shop) = Namespace::injected("ill").await else {
        return;
    };
    let mut web = busybox("web", HEALTHY);
    web["livenessProbe"] = json!({
        "httpGet": {"path": "/healthy", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1,
        "terminationGracePeriodSeconds": 1,
    });
    shop.create(&[pod("web", &[web])]).await;
    shop.wait_ready(&["web"]).await;
    assert_eq!(shop.container("web", "web").await.unwrap().restart_count, 0);

    shop.sh("web", "rm /tmp/www/healthy").await;
    eventually("the application is well again", async || {
        let web = shop.container("web", "web").await?;
        (web.restart_count == 1 && web.ready).then_some(())
    })
    .await;
    let proxy = shop.container("web", "istio-proxy").await.unwrap();
    assert_eq!(proxy.restart_count, 0);
}
