//! The API server restarts.

use crate::harness::{Load, Namespace, eventually, pod, samples, server, service};

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
    load.goes_on().await;
    load.finish().await.assert_no_failures();

    let web = pod("web", &[samples("web", &["pillion-samples", "sleep"])]);
    shop.create(&[web]).await;
    shop.wait_ready(&["web"]).await;
    assert!(shop.container("web", "istio-proxy").await.unwrap().ready);
}
