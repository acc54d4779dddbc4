//! The share of requests that is traced.

use crate::harness::{
    Namespace, Report, Store, eventually, pod, samples, sampling, server, service,
};

const URL: &str = "http://server:8080/get";
/// How many times in a row no further span is seen until there are no more.
const STILL: u32 = 8;

/// The spans that the client's sidecar has made, whether or not they could be sent.
async fn made(shop: &Namespace) -> u64 {
    let counters = shop.counters("client").await;
    ["sent", "dropped"]
        .map(|what| counters.sum(&format!("pillion_tracing_spans_{what}_total"), &[]))
        .iter()
        .sum()
}

/// How many spans so many requests make.
async fn of_requests(shop: &Namespace, requests: u64) -> u64 {
    let before = made(shop).await;
    let number = requests.to_string();
    let options = ["-n", &number, "-c", "4", URL];
    let report = Report::of(shop, "client", "client", &options).await;
    report.assert_no_failures();
    // They are counted when they are sent, a second later at most.
    let (mut last, mut still) = (u64::MAX, 0);
    let after = eventually("no more spans are sent", async || {
        let now = made(shop).await;
        still = if now == last { still + 1 } else { 0 };
        last = now;
        (still == STILL).then_some(now)
    })
    .await;
    after - before
}

#[tokio::test]
async fn a_share_of_requests_is_traced() {
    let Some(shop) = Namespace::injected("sampling").await else {
        return;
    };
    Store::jaeger(&shop).await;
    let tools = samples("client", &["pillion-samples", "sleep"]);
    let objects = [
        pod("server", &[server("server", &["httpbin"], 8080)]),
        pod("client", &[tools]),
        service("server", &[8080]),
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["server", "client"]).await;

    shop.apply(&sampling(100.0)).await;
    eventually("all are traced", async || {
        (of_requests(&shop, 20).await == 20).then_some(())
    })
    .await;
    assert_eq!(of_requests(&shop, 10_000).await, 10_000);

    shop.apply(&sampling(0.0)).await;
    eventually("none is traced", async || {
        (of_requests(&shop, 200).await == 0).then_some(())
    })
    .await;
    assert_eq!(of_requests(&shop, 10_000).await, 0);

    shop.apply(&sampling(1.0)).await;
    eventually("some are traced", async || {
        (of_requests(&shop, 500).await > 0).then_some(())
    })
    .await;
    let traced = of_requests(&shop, 10_000).await;
    // Five standard deviations of what chance gives.
    assert!((50..=150).contains(&traced), "{traced}");

    // A decision that was made before is honoured in either direction.
    for (sampled, expected) in [("1", 200), ("0", 0)] {
        let before = made(&shop).await;
        let field = format!("x-b3-sampled: {sampled}");
        let context = [
            "x-b3-traceid: 463ac35c9f6413ad48485a3953bb6124",
            "x-b3-spanid: a2fb4a1d1a96d312",
            &field,
        ];
        let mut options = vec!["-n", "200", URL];
        options.extend(context.iter().flat_map(|field| ["-H", *field]));
        let report = Report::of(&shop, "client", "client", &options).await;
        report.assert_no_failures();
        eventually(
            &format!("{expected} spans of x-b3-sampled {sampled}"),
            async || (made(&shop).await - before == expected).then_some(()),
        )
        .await;
    }
}
