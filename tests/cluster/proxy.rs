//! The proxy's container ends by itself.

use crate::harness::{
    Namespace, Reporter::*, busybox, eventually, pod, server, service, until_answered,
};

#[tokio::test]
async fn a_pod_recovers_from_a_killed_proxy_without_a_restart_of_the_application() {
    let Some(shop) = Namespace::injected("killed").await else {
        return;
    };
    let objects = [
        pod("web", &[server("web", &["httpbin"], 8080)]),
        pod("client", &[busybox("client", "exec sleep infinity")]),
        service("web", &[8080]),
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["web", "client"]).await;
    shop.sh("client", &until_answered("web", 8080)).await;

    for pod in ["web", "client"] {
        let proxy = shop.container(pod, "istio-proxy").await.unwrap();
        shop.cluster
            .kill(&proxy.container_id.unwrap(), "SIGKILL")
            .await;
    }
    for pod in ["web", "client"] {
        eventually("the proxy runs again", async || {
            let proxy = shop.container(pod, "istio-proxy").await?;
            (proxy.restart_count == 1 && proxy.ready).then_some(())
        })
        .await;
    }
    // The Service may have left the pod out while it was not ready.
    shop.sh("client", &until_answered("web", 8080)).await;
    let ask = "wget -q -O- http://web:8080/hostname";
    let answer = shop.sh("client", ask).await;
    assert!(answer.contains("\"web\""), "{answer}");
    // Capture still works.
    assert!(shop.counters("client").await.carried(Source) >= 1);
    assert!(shop.counters("web").await.carried(Destination) >= 1);
    for pod in ["web", "client"] {
        assert_eq!(shop.container(pod, pod).await.unwrap().restart_count, 0);
    }
}
