//! The injector's replicas restart while pods are created.

use std::{cell::Cell, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Namespace, Release, pod, samples};

/// So many at least; and until the last replica is a new one.
const PODS: usize = 150;

/// A pod that no scheduler takes to a node.
fn waiting() -> Value {
    let mut pod = pod("web", &[samples("web", &["pillion-samples", "sleep"])]);
    pod["metadata"] = json!({"generateName": "web-"});
    pod["spec"]["schedulerName"] = json!("nobody");
    pod
}

/// Creates pods one after the other until `enough`; returns the first refusal.
async fn create_until(
    shop: &Namespace,
    enough: impl Fn(usize) -> bool,
) -> Result<usize, kube::Error> {
    let pod: Pod = serde_json::from_value(waiting()).unwrap();
    let pods = shop.api::<Pod>();
    let mut created = 0;
    while !enough(created) {
        pods.create(&PostParams::default(), &pod).await?;
        created += 1;
        // Not thousands.
        sleep(Duration::from_millis(30)).await;
    }
    Ok(created)
}

#[tokio::test]
async fn every_pod_is_injected_while_the_replicas_restart_in_turn() {
    const REVISION: &str = "restarting";
    let Some(shop) = Namespace::of_revision("restarts", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    let injector = release.injector();
    let restarted = Cell::new(false);
    let restart = async {
        for action in ["restart", "status"] {
            release.kubectl(&["rollout", action, &injector]).await;
        }
        restarted.set(true);
    };
    let create = create_until(&shop, |created| restarted.get() && created >= PODS);
    let (created, ()) = tokio::join!(create, restart);
    let created = created.expect("a pod was refused");

    let pods = shop
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(pods.items.len(), created);
    let bare = pods.items.into_iter().filter(|pod| {
        let init = pod
            .spec
            .iter()
            .flat_map(|spec| spec.init_containers.iter().flatten());
        !init
            .into_iter()
            .any(|container| container.name == "istio-proxy")
    });
    assert_eq!(bare.count(), 0);
}
