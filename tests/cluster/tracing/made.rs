//! How many spans a client's sidecar makes.

use crate::harness::{Namespace, Report, eventually};

/// How many times in a row no further span is seen until there are no more.
const STILL: u32 = 8;

/// The spans that a pod's sidecar has made, whether or not they could be sent.
async fn made(shop: &Namespace, pod: &str) -> u64 {
    let counters = shop.counters(pod).await;
    ["sent", "dropped"]
        .map(|what| counters.sum(&format!("pillion_tracing_spans_{what}_total"), &[]))
        .iter()
        .sum()
}

/// How many spans the requests of a pod with the samples' tools make, in a container of the pod's name.
pub async fn spans_of(shop: &Namespace, pod: &str, options: &[&str]) -> u64 {
    let before = made(shop, pod).await;
    let report = Report::of(shop, pod, pod, options).await;
    report.assert_no_failures();
    // They are counted when they are sent, a second later at most.
    let (mut last, mut still) = (u64::MAX, 0);
    let after = eventually("no more spans are sent", async || {
        let now = made(shop, pod).await;
        still = if now == last { still + 1 } else { 0 };
        last = now;
        (still == STILL).then_some(now)
    })
    .await;
    after - before
}
