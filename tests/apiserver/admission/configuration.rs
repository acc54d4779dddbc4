//! Edits of the ConfigMaps while the injector runs.

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::installation::{Installation, pod};

const MAP: &str = "istio-sidecar-injector";

/// Edits the key `values`, which is JSON.
async fn edit_values(installation: &Installation, edit: impl Fn(&mut Value)) {
    let mut values = serde_json::from_str(&installation.config(MAP, "values").await).unwrap();
    edit(&mut values);
    installation.edit(MAP, "values", &values.to_string()).await;
}

async fn proxy_image(installation: &Installation, namespace: &str) -> String {
    let admitted = installation
        .pod(namespace, &pod(json!({}), json!({})))
        .await;
    let init = admitted["spec"]["initContainers"].as_array().unwrap();
    let proxy = init.iter().find(|one| one["name"] == "istio-proxy");
    proxy.unwrap()["image"].as_str().unwrap().to_owned()
}

/// The notes of the injector's Events on a ConfigMap.
async fn notes(installation: &Installation, map: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(installation.client.clone(), &installation.namespace);
    let name = format!("{map}-{}", installation.revision);
    let events = api.list(&ListParams::default()).await.unwrap().items;
    events
        .into_iter()
        .filter(|event| event.reason.as_deref() == Some("InvalidConfiguration"))
        .filter(|event| event.regarding.as_ref().unwrap().name.as_deref() == Some(&name))
        .filter_map(|event| event.note)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_edit_comes_into_force() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    edit_values(&installation, |values| {
        values["global"]["proxy"]["image"] = json!("example.com/mine:2");
    })
    .await;
    crate::eventually("pods get the new image", async || {
        (proxy_image(&installation, &namespace).await == "example.com/mine:2").then_some(())
    })
    .await;
    let generation = installation.injector.metric("pillion_config_generation");
    assert_eq!(generation, Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_mesh_comes_into_force() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let mesh = "defaultConfig: {proxyMetadata: {COLOUR: teal}}";
    installation.edit("istio", "mesh", mesh).await;
    crate::eventually("pods get the new metadata", async || {
        let admitted = installation
            .pod(&namespace, &pod(json!({}), json!({})))
            .await;
        admitted.to_string().contains("teal").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_edit_is_reported_and_the_last_good_one_stays_in_force() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let good = installation.config(MAP, "config").await;
    let image = proxy_image(&installation, &namespace).await;
    let failures = "pillion_config_reload_failures_total";
    assert_eq!(installation.injector.metric(failures), Some(0.0));

    installation.edit(MAP, "config", "policy: sometimes").await;
    crate::eventually("the failure is counted", async || {
        (installation.injector.metric(failures)? > 0.0).then_some(())
    })
    .await;
    let notes = crate::eventually("an Event is on the ConfigMap", async || {
        let notes = notes(&installation, MAP).await;
        (!notes.is_empty()).then_some(notes)
    })
    .await;
    assert!(notes[0].contains("sometimes"), "{notes:?}");
    assert!(
        notes[0].contains("last good configuration stays in use"),
        "{notes:?}"
    );
    assert_eq!(proxy_image(&installation, &namespace).await, image);
    let generation = "pillion_config_generation";
    assert_eq!(installation.injector.metric(generation), Some(1.0));

    // Mended, with another edit in it, so that one can see it.
    installation.edit(MAP, "config", &good).await;
    edit_values(&installation, |values| {
        values["global"]["proxy"]["image"] = json!("example.com/mended:3");
    })
    .await;
    crate::eventually("pods get the mended configuration", async || {
        (proxy_image(&installation, &namespace).await == "example.com/mended:3").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_config_map_leaves_the_last_good_one_in_force() {
    let installation = Installation::of_its_own(&[]).await;
    let namespace = installation.shop(&[]).await;
    let image = proxy_image(&installation, &namespace).await;
    let api: Api<ConfigMap> = Api::namespaced(installation.client.clone(), &installation.namespace);
    let name = format!("istio-{}", installation.revision);
    api.delete(&name, &Default::default()).await.unwrap();
    crate::eventually("the failure is counted", async || {
        let failures = installation
            .injector
            .metric("pillion_config_reload_failures_total")?;
        (failures > 0.0).then_some(())
    })
    .await;
    assert_eq!(proxy_image(&installation, &namespace).await, image);
}
