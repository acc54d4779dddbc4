//! A collector that goes away, and its storage.

use crate::harness::{
    Load, Namespace, Report, Store, eventually, pod, sampling, server, service, system,
};

/// The sum of a counter of the load's sidecar.
async fn counted(shop: &Namespace, what: &str) -> u64 {
    let counters = shop.counters("load").await;
    counters.sum(&format!("pillion_tracing_spans_{what}_total"), &[])
}

#[tokio::test]
async fn a_collector_that_goes_costs_spans_and_nothing_else_and_keeps_what_it_had() {
    let Some(shop) = Namespace::alone("collector").await else {
        return;
    };
    let jaeger = Store::jaeger(&shop).await;
    shop.apply(&sampling(100.0)).await;
    let hello = server("hello", &["helloworld"], 5000);
    shop.create(&[pod("hello", &[hello]), service("hello", &[5000])])
        .await;
    shop.wait_ready(&["hello"]).await;
    let load = Load::start(&shop, "hello", 5000, "/hello").await;
    let service = format!("load.{}", shop.name());
    let before = eventually("traces of the load", async || {
        let traces = jaeger.traces(&shop, &service).await?;
        Some(
            traces.into_iter().find(|trace| trace.len() == 2)?[0]
                .trace
                .clone(),
        )
    })
    .await;

    system(&shop, &["scale", "deployment/jaeger", "--replicas=0"]).await;
    let gone = [
        "wait",
        "--for=delete",
        "pod",
        "-l",
        "app=jaeger",
        "--timeout=120s",
    ];
    system(&shop, &gone).await;
    let dropped = counted(&shop, "dropped").await;
    // More than may wait for it.
    let url = "http://hello:5000/hello";
    eventually("spans are dropped", async || {
        let options = ["-n", "2000", "-c", "4", url];
        let report = Report::of(&shop, "load", "load", &options).await;
        report.assert_no_failures();
        (counted(&shop, "dropped").await > dropped).then_some(())
    })
    .await;
    load.goes_on().await;

    system(&shop, &["scale", "deployment/jaeger", "--replicas=1"]).await;
    jaeger.wait(&shop).await;
    // Its storage is the same.
    eventually("the trace from before", async || {
        jaeger.trace(&shop, &before).await
    })
    .await;
    let sent = counted(&shop, "sent").await;
    eventually("spans are sent again", async || {
        (counted(&shop, "sent").await > sent).then_some(())
    })
    .await;
    let started = jaeger.newest(&shop, &service).await;
    eventually("new traces", async || {
        (jaeger.newest(&shop, &service).await > started).then_some(())
    })
    .await;
    load.finish().await.assert_no_failures();
}
