//! The chart is upgraded and uninstalled under pods that run.

use serde_json::Value;

use crate::harness::{Load, Namespace, Release, pod, samples, server, service};

/// The names of a pod's init containers.
async fn init_containers(shop: &Namespace, pod: &str) -> Vec<String> {
    let spec = shop.pod(pod).await.spec.unwrap();
    let containers = spec.init_containers.unwrap_or_default().into_iter();
    containers.map(|container| container.name).collect()
}

fn web(name: &str) -> Value {
    pod(name, &[samples(name, &["pillion-samples", "sleep"])])
}

#[tokio::test]
async fn running_pods_outlast_an_upgrade_and_an_uninstall() {
    const REVISION: &str = "leaving";
    let Some(shop) = Namespace::of_revision("release", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    let hello = server("hello", &["helloworld"], 5000);
    shop.create(&[pod("hello", &[hello]), service("hello", &[5000])])
        .await;
    shop.wait_ready(&["hello"]).await;
    assert_eq!(
        init_containers(&shop, "hello").await,
        ["istio-init", "istio-proxy"]
    );
    let load = Load::start(&shop, "hello", 5000, "/hello").await;

    let values = [
        "global.proxy.logLevel=info",
        "injector.podAnnotations.upgraded=yes",
    ];
    release.upgrade(&values).await;
    load.goes_on().await;
    // New pods have what the new values say.
    shop.create(&[web("upgraded")]).await;
    shop.wait_ready(&["upgraded"]).await;
    let log = shop
        .kubectl(&["logs", "upgraded", "-c", "istio-proxy"])
        .await;
    assert!(log.contains("carries the pod's traffic"), "{log}");

    release.uninstall().await;
    load.goes_on().await;
    shop.create(&[web("bare")]).await;
    shop.wait_ready(&["bare"]).await;
    assert!(init_containers(&shop, "bare").await.is_empty());
    load.finish().await.assert_no_failures();
}
