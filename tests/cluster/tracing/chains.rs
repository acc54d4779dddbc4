//! An application that does not pass the headers of traces on.

use crate::{
    command_line::pillion,
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
    let check = async |workload: &str| {
        let output = pillion(&shop, &["trace", "check", workload]).await;
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = eventually("the broken chain is seen", async || {
        for _ in 0..10 {
            shop.exec_in("deploy/sleep", "sleep", &page).await;
        }
        let (code, said) = check("deploy/reviews-v2").await;
        said.contains("does not pass").then_some((code, said))
    })
    .await;
    // A script sees it, too.
    assert_eq!(code, Some(1), "{said}");
    // Which headers, and what to do.
    for part in ["x-b3-traceid", "x-request-id", "docs/tracing.md"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let log = ["logs", "deploy/reviews-v2", "-c", "istio-proxy"];
    let log = shop.kubectl(&log).await;
    assert!(log.contains("does not pass"), "{log}");
    for workload in ["deploy/reviews-v3", "deploy/productpage-v1"] {
        let (code, said) = check(workload).await;
        assert_eq!(code, Some(0), "{workload}: {said}");
        assert!(said.contains("passes"), "{workload}: {said}");
        assert!(!said.contains("does not pass"), "{workload}: {said}");
    }
    let (code, said) = check("deploy/ratings-v1").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing to pass on"), "{said}");
    let gateway = ["trace", "check", "deploy/istio-ingressgateway"];
    let mut command = shop.cluster.tool(env!("CARGO_BIN_EXE_pillion"));
    command.args(gateway).args(["-n", "istio-system"]);
    let output = command.output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("is a gateway"), "{error}");
}
