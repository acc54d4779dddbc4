//! The mesh's root in every namespace.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use tokio::time::sleep;

use super::installation::{Installation, SOON, plane};
use crate::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn every_namespace_has_the_root_also_when_somebody_deletes_it() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let first = discovery.root(&shop.namespace).await;
    assert_eq!(discovery.root("default").await, first);
    let maps = shop.api::<ConfigMap>();
    maps.delete(&discovery.root_map(), &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(discovery.root(&shop.namespace).await, first);
    let system: Api<ConfigMap> = Api::namespaced(discovery.client.clone(), "kube-system");
    assert!(
        system
            .get_opt(&discovery.root_map())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_manager_s_root_is_never_written() {
    let discovery = Installation::new().await;
    let plane = plane().await;
    let namespace = plane.namespace("foreign", crate::OPTED_OUT).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(discovery.client.clone(), &namespace);
    let name = discovery.root_map();
    // Ours may be there first.
    eventually("the map is foreign", async || {
        let _ = maps.delete(&name, &DeleteParams::default()).await;
        let foreign = json!({"metadata": {"name": name, "labels": {"istio.io/config": "true"}},
            "data": {"root-cert.pem": "theirs"}});
        let foreign = serde_json::from_value(foreign).unwrap();
        maps.create(&PostParams::default(), &foreign).await.ok()
    })
    .await;
    sleep(SOON).await;
    let map = maps.get(&name).await.unwrap();
    assert_eq!(map.data.unwrap()["root-cert.pem"], "theirs");
}
