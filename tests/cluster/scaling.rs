//! Pods come and go while they are asked.

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::ListParams};
use serde_json::json;

use crate::{
    harness::{Load, Namespace, eventually},
    rolling_update,
};

async fn pods(shop: &Namespace) -> Vec<Pod> {
    let labelled = ListParams::default().labels("app=hello");
    shop.api::<Pod>().list(&labelled).await.unwrap().items
}

async fn rolled_out(shop: &Namespace) {
    let status = ["rollout", "status", "deployment/hello", "--timeout=120s"];
    shop.kubectl(&status).await;
}

#[tokio::test]
async fn no_request_fails_while_a_deployment_is_scaled_up_and_down() {
    let Some(shop) = Namespace::injected("scaled").await else {
        return;
    };
    rolling_update::deploy(&shop).await;
    let load = Load::keeping_connections(&shop, "hello", 5000, "/hello").await;
    for replicas in [4, 1, 3, 1, 2] {
        let replicas = format!("--replicas={replicas}");
        shop.kubectl(&["scale", "deployment/hello", &replicas])
            .await;
        rolled_out(&shop).await;
        load.goes_on().await;
    }
    eventually("the other pods have ended", async || {
        (pods(&shop).await.len() == 2).then_some(())
    })
    .await;
    load.goes_on().await;
    load.finish().await.assert_no_failures();
}

#[tokio::test]
async fn no_request_fails_when_servers_are_killed_and_the_route_tries_again() {
    let Some(shop) = Namespace::injected("killed").await else {
        return;
    };
    rolling_update::deploy(&shop).await;
    // Without it, what a server was about to answer is lost with it.
    let route = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "hello"},
        "spec": {"hosts": ["hello"], "http": [{
            "route": [{"destination": {"host": "hello"}}],
            "timeout": "4s",
            "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "connect-failure,reset,5xx"},
        }]},
    });
    shop.create(&[route]).await;
    let load = Load::start(&shop, "hello", 5000, "/hello").await;

    // The application, of which its own sidecar and the kubelet have to tell.
    let victim = pods(&shop).await.remove(0).name_any();
    let status = shop.container(&victim, "hello").await.unwrap();
    let id = status.container_id.unwrap();
    shop.cluster.kill(&id, "SIGKILL").await;
    eventually("it runs again", async || {
        let status = shop.container(&victim, "hello").await?;
        (status.restart_count > 0 && status.ready).then_some(())
    })
    .await;
    load.goes_on().await;

    // The whole pod, which says goodbye to nobody.
    let now = ["delete", "pod", &victim, "--grace-period=0", "--force"];
    shop.kubectl(&now).await;
    load.goes_on().await;
    rolled_out(&shop).await;
    load.goes_on().await;
    load.finish().await.assert_no_failures();
}
