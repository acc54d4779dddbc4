//! A Deployment is updated while its pods are asked.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::json;

use crate::harness::{Load, Namespace, deployment, eventually, server, service};

#[tokio::test]
async fn no_request_fails_while_an_injected_deployment_is_updated() {
    let Some(shop) = Namespace::injected("rolling").await else {
        return;
    };
    deploy(&shop).await;
    let load = Load::start(&shop, "hello", 5000, "/hello").await;
    update(&shop, load).await;
}

#[tokio::test]
async fn no_request_fails_over_connections_that_are_kept_during_an_update() {
    let Some(shop) = Namespace::injected("kept").await else {
        return;
    };
    deploy(&shop).await;
    let load = Load::keeping_connections(&shop, "hello", 5000, "/hello").await;
    update(&shop, load).await;
}

/// Two pods of version v1, and their Service.
pub async fn deploy(shop: &Namespace) {
    let mut container = server("hello", &["helloworld"], 5000);
    container["readinessProbe"] =
        json!({"httpGet": {"path": "/health", "port": 5000}, "periodSeconds": 1});
    // As for every Deployment: kube-proxy hears of a pod's end when the pod does, and on a busy
    // node takes seconds to act on it.
    container["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 15}}});
    let mut hello = deployment("hello", 2, &container);
    hello["spec"]["strategy"] = json!({"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
    hello["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(30);
    shop.create(&[hello, service("hello", &[5000])]).await;
    shop.wait("deployment/hello", "condition=Available").await;
}

/// Replaces the pods by those of version v2 under the load: each request has to be answered by one or the other.
pub async fn update(shop: &Namespace, load: Load<'_>) {
    shop.kubectl(&["set", "env", "deployment/hello", "SERVICE_VERSION=v2"])
        .await;
    shop.kubectl(&["rollout", "status", "deployment/hello", "--timeout=120s"])
        .await;
    eventually("the old pods have ended", async || {
        let labelled = ListParams::default().labels("app=hello");
        let pods = shop.api::<Pod>().list(&labelled).await.unwrap();
        (pods.items.len() == 2).then_some(())
    })
    .await;
    load.goes_on().await;
    let report = load.finish().await;

    report.assert_no_failures();
    for version in ["v1", "v2"] {
        assert!(
            report.answers_with(&format!("version: {version}")) > 0,
            "{report:?}"
        );
    }
}
