//! TCP by weight, from within the mesh and through the gateway.

use crate::harness::{Gateway, Namespace, busybox, eventually, pod, say};

/// Of so many connections from the pod `client`, how many reached v1 and v2.
pub async fn from_the_mesh(shop: &Namespace, connections: u64) -> (u64, u64) {
    let script = format!("for i in $(seq {connections}); do echo hello | nc tcp-echo 9000; done");
    let said = shop.sh("client", &script).await;
    let of = |greeting: &str| {
        let lines = said.lines().filter(|line| line.starts_with(greeting));
        lines.count() as u64
    };
    (of("one"), of("two"))
}

/// Both versions, and the pod that asks.
pub async fn deploy(shop: &Namespace) {
    shop.apply_samples(&["tcp-echo/tcp-echo-services.yaml"])
        .await;
    shop.create(&[pod("client", &[busybox("client", "exec sleep infinity")])])
        .await;
    shop.wait_for_deployments().await;
    shop.wait_ready(&["client"]).await;
}

#[tokio::test]
async fn tcp_connections_are_shared_by_weight() {
    let Some(shop) = Namespace::injected("tcp-echo").await else {
        return;
    };
    deploy(&shop).await;
    shop.apply_samples(&["tcp-echo/tcp-echo-all-v1.yaml"]).await;
    eventually("all to v1", async || {
        (from_the_mesh(&shop, 20).await == (20, 0)).then_some(())
    })
    .await;
    let gateway = Gateway::of(&shop).await.tcp();
    eventually("v1 through the gateway", async || {
        let said = say(&gateway, "hello\n").await?;
        (said == "one hello\n").then_some(())
    })
    .await;

    shop.apply_samples(&["tcp-echo/tcp-echo-20-80.yaml"]).await;
    eventually("some to v2", async || {
        (from_the_mesh(&shop, 50).await.1 > 0).then_some(())
    })
    .await;
    let (first, second) = from_the_mesh(&shop, 500).await;
    // 400 on average; five standard deviations are 45.
    assert!((355..=445).contains(&first), "{first} and {second}");
    assert_eq!(first + second, 500);
    let mut through_the_gateway = (0, 0);
    for _ in 0..500 {
        match say(&gateway, "hello\n").await.as_deref() {
            Some("one hello\n") => through_the_gateway.0 += 1,
            Some("two hello\n") => through_the_gateway.1 += 1,
            other => panic!("{other:?}"),
        }
    }
    let (first, second) = through_the_gateway;
    assert!((355..=445).contains(&first), "{first} and {second}");
}
