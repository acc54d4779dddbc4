//! An application that does not pass the headers of traces on.

use crate::{
    command_line::printed,
    harness::{Namespace, Store, eventually, sampling},
};

#[tokio::test]
async fn an_application_that_forgets_the_headers_is_found() {
    let Some(shop) = Namespace::injected("chains").await else {
        return;
    };
    Store::jaeger(&shop).await;
    shop.apply(&sampling(100.0)).await;
    let files = ["bookinfo/platform/kube/bookinfo.yaml", "sleep/sleep.yaml"];
    shop.apply_samples(&files).await;
    let forget = ["set", "env", "deployment/reviews-v2", "FORGET_HEADERS=true"];
    shop.kubectl(&forget).await;
    let rolled_out = [
        "rollout",
        "status",
        "deployment/reviews-v2",
        "--timeout=120s",
    ];
    shop.kubectl(&rolled_out).await;
    shop.wait_for_deployments().await;

    let page = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "productpage:9080/productpage",
    ];
    let check = async |workload: &str| printed(&shop, &["trace", "check", workload]).await;
    let said = eventually("the broken chain is seen", async || {
        for _ in 0..10 {
            shop.exec_in("deploy/sleep", "sleep", &page).await;
        }
        let said = check("deploy/reviews-v2").await;
        said.contains("does not pass").then_some(said)
    })
    .await;
    // Which headers, and what to do.
    for part in ["x-b3-traceid", "x-request-id", "docs/tracing.md"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let log = ["logs", "deploy/reviews-v2", "-c", "istio-proxy"];
    let log = shop.kubectl(&log).await;
    assert!(log.contains("does not pass"), "{log}");
    for workload in ["deploy/reviews-v3", "deploy/productpage-v1"] {
        let said = check(workload).await;
        assert!(said.contains("passes"), "{workload}: {said}");
        assert!(!said.contains("does not pass"), "{workload}: {said}");
    }
    let said = check("deploy/ratings-v1").await;
    assert!(said.contains("nothing to pass on"), "{said}");
}
