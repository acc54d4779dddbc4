//! The share of requests that is traced.

use serde_json::json;

use super::made::spans_of;
use crate::harness::{Namespace, Store, eventually, pod, samples, sampling, server, service};

const URL: &str = "http://server:8080/get";

/// How many spans so many requests of a client make.
async fn of_requests(shop: &Namespace, client: &str, requests: u64) -> u64 {
    let number = requests.to_string();
    spans_of(shop, client, &["-n", &number, "-c", "4", URL]).await
}

#[tokio::test]
async fn a_share_of_requests_is_traced() {
    let Some(shop) = Namespace::injected("sampling").await else {
        return;
    };
    Store::jaeger(&shop).await;
    let client = |name: &str| pod(name, &[samples(name, &["pillion-samples", "sleep"])]);
    let mut annotated = client("annotated");
    let all = json!({"proxy.istio.io/config": "tracing: {sampling: 100}"});
    annotated["metadata"]["annotations"] = all;
    let objects = [
        pod("server", &[server("server", &["httpbin"], 8080)]),
        client("client"),
        annotated,
        service("server", &[8080]),
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["server", "client", "annotated"]).await;

    // A pod's own configuration holds where no Telemetry says it.
    eventually("all of one pod are traced", async || {
        (of_requests(&shop, "annotated", 20).await == 20).then_some(())
    })
    .await;
    assert_eq!(of_requests(&shop, "annotated", 2_000).await, 2_000);
    assert!(of_requests(&shop, "client", 500).await < 100);

    shop.apply(&sampling(100.0)).await;
    eventually("all are traced", async || {
        (of_requests(&shop, "client", 20).await == 20).then_some(())
    })
    .await;
    assert_eq!(of_requests(&shop, "client", 10_000).await, 10_000);

    shop.apply(&sampling(0.0)).await;
    eventually("none is traced", async || {
        (of_requests(&shop, "client", 200).await == 0).then_some(())
    })
    .await;
    assert_eq!(of_requests(&shop, "client", 10_000).await, 0);

    shop.apply(&sampling(1.0)).await;
    eventually("some are traced", async || {
        (of_requests(&shop, "client", 500).await > 0).then_some(())
    })
    .await;
    let traced = of_requests(&shop, "client", 10_000).await;
    // Five standard deviations of what chance gives.
    assert!((50..=150).contains(&traced), "{traced}");

    // A decision that was made before is honoured in either direction.
    for (sampled, expected) in [("1", 200), ("0", 0)] {
        let field = format!("x-b3-sampled: {sampled}");
        let context = [
            "x-b3-traceid: 463ac35c9f6413ad48485a3953bb6124",
            "x-b3-spanid: a2fb4a1d1a96d312",
            &field,
        ];
        let mut options = vec!["-n", "200", URL];
        options.extend(context.iter().flat_map(|field| ["-H", *field]));
        let spans = spans_of(&shop, "client", &options).await;
        assert_eq!(spans, expected, "{field}");
    }
}
