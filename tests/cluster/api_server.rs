//! The API server restarts.

use crate::harness::{Load, Namespace, Versions, eventually, pod, samples, server, service};

/// Kills the API server as in a crash, and waits until another one is ready.
async fn restart(shop: &Namespace) {
    let restart = shop
        .cluster
        .hack(&["restart", "kube-apiserver"])
        .status()
        .await
        .unwrap();
    assert!(restart.success());
    eventually("the API server is ready", async || {
        let output = shop
            .command(&["get", "--raw", "/readyz"])
            .output()
            .await
            .unwrap();
        output.status.success().then_some(())
    })
    .await;
}

#[tokio::test]
async fn traffic_goes_on_while_the_api_server_restarts_and_pods_are_injected_after_it() {
    let Some(shop) = Namespace::alone("apiserver").await else {
        return;
    };
    let hello = server("hello", &["helloworld"], 5000);
    shop.create(&[pod("hello", &[hello]), service("hello", &[5000])])
        .await;
    shop.wait_ready(&["hello"]).await;
    let load = Load::start(&shop, "hello", 5000, "/hello").await;

    restart(&shop).await;
    load.goes_on().await;
    load.finish().await.assert_no_failures();

    let web = pod("web", &[samples("web", &["pillion-samples", "sleep"])]);
    shop.create(&[web]).await;
    shop.wait_ready(&["web"]).await;
    assert!(shop.container("web", "istio-proxy").await.unwrap().ready);
}

#[tokio::test]
async fn rules_and_endpoints_follow_after_the_api_server_has_restarted() {
    let Some(shop) = Namespace::alone("restarted").await else {
        return;
    };
    let hello = Versions::deploy(&shop).await;
    hello.set_subsets().await;
    hello.pin("v1").await;
    let load = hello.load().await;
    hello.until_pinned("v1").await;
    restart(&shop).await;
    load.goes_on().await;
    hello.pin("v2").await;
    hello.until_pinned("v2").await;
    let replicas = ["scale", "deployment/helloworld-v2", "--replicas=2"];
    shop.kubectl(&replicas).await;
    eventually("an answer of the new pod", async || {
        (hello.twenty().await.kinds_of_answers() == 2).then_some(())
    })
    .await;
    load.finish().await.assert_no_failures();
}
