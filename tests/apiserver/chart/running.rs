//! The built injector with the rights of the chart's service account: what it may not do here, it may not do in a cluster.

use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Pod, Secret},
    events::v1::Event,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use pillion_envtest::ControlPlane;
use serde_json::json;

use super::{
    account::kubeconfig,
    helm::{in_cluster, install},
};
use crate::{
    eventually,
    injector_process::{InjectorProcess, Ports},
    turns::turn,
};

const REVISION: &str = "running";
const ACCOUNT: &str = "pillion-injector-running";

/// The names of the containers that a pod gets; `None` while the webhook is not called.
async fn injected(client: &Client, namespace: &str) -> Option<String> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }))
    .unwrap();
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = pods.create(&dry_run, &pod).await.ok()?;
    let names: Vec<_> = pod
        .spec?
        .init_containers?
        .into_iter()
        .map(|one| one.name)
        .collect();
    Some(names.join(" "))
}

#[tokio::test]
async fn the_chart_s_service_account_is_all_that_the_injector_needs() {
    let _turn = turn().await;
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    let ports = Ports::free();
    let set = format!(
        "revision={REVISION},revisionTags={{running-tag}},sidecarInjectorWebhook.injectionURL={}",
        ports.url()
    );
    install(plane, &namespace, &set).await;
    let kubeconfig = kubeconfig(plane, &namespace, ACCOUNT).await;
    let flags = [
        "--namespace",
        &namespace,
        "--revision",
        REVISION,
        "--certificate-lifetime",
        "9s",
    ];
    let mut injector = InjectorProcess::start(&kubeconfig, ports, &flags);
    injector.ready().await;

    for label in [REVISION, "running-tag"] {
        let shop = plane
            .namespace("shop", &[("istio.io/rev", label)])
            .await
            .unwrap();
        let containers = eventually(label, async || injected(&client, &shop).await).await;
        assert_eq!(containers, "istio-init istio-proxy", "{label}");
    }

    // It renews its certificate, with the Lease.
    let name = format!("pillion-injector-certs-{REVISION}");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let first = secrets.get(&name).await.unwrap().data;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    eventually("a renewal", async || {
        let renewed = secrets.get(&name).await.unwrap().data != first;
        renewed.then_some(())
    })
    .await;
    let holder = leases
        .get(&name)
        .await
        .unwrap()
        .spec
        .unwrap()
        .holder_identity;
    assert!(holder.is_some());

    // A bad edit is reported on the ConfigMap.
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let bad = json!({"data": {"config": "policy: perhaps"}});
    let name = format!("istio-sidecar-injector-{REVISION}");
    maps.patch(&name, &PatchParams::default(), &Patch::Merge(bad))
        .await
        .unwrap();
    let events: Api<Event> = Api::namespaced(client, &namespace);
    let note = eventually("an event", async || {
        let all = events.list(&ListParams::default()).await.unwrap().items;
        all.into_iter()
            .find(|event| event.regarding.as_ref().and_then(|map| map.name.as_ref()) == Some(&name))
            .and_then(|event| event.note)
    })
    .await;
    assert!(note.contains("perhaps"), "{note}");
}

/// The note of an Event of this reason.
async fn note(client: &Client, namespace: &str, reason: &str) -> Option<String> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let all = events.list(&ListParams::default()).await.unwrap().items;
    let found = all
        .into_iter()
        .find(|event| event.reason.as_deref() == Some(reason));
    found?.note
}

#[tokio::test]
async fn says_how_to_get_a_deleted_secret_back_and_fills_it_as_it_was() {
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    let ports = [Ports::free(), Ports::free()];
    let url = ports[0].url();
    let set = format!("revision=lost,sidecarInjectorWebhook.injectionURL={url}");
    install(plane, &namespace, &set).await;
    let kubeconfig = kubeconfig(plane, &namespace, "pillion-injector-lost").await;
    let start = |ports| {
        let flags = ["--namespace", &namespace, "--revision", "lost"];
        InjectorProcess::start(&kubeconfig, ports, &flags)
    };
    let mut running = start(ports[0]);
    running.ready().await;

    let name = "pillion-injector-certs-lost";
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let before = secrets.get(name).await.unwrap().data.unwrap();
    secrets
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    let note = eventually("an Event", async || {
        note(&client, &namespace, "MissingSecret").await
    })
    .await;
    for words in [name, "helm upgrade", "kubectl -n"] {
        assert!(note.contains(words), "{note}");
    }
    // What is served is good; one that starts has nothing to serve.
    running.ready().await;
    let mut started = start(ports[1]);
    eventually("the other one says what it waits for", async || {
        let answer = started.get("/readyz")?;
        (answer.starts_with("HTTP/1.1 503") && answer.contains("helm upgrade")).then_some(())
    })
    .await;
    assert!(secrets.get_opt(name).await.unwrap().is_none());
    // Gone before the Secret is there, or it might be the one that fills it.
    drop(started);

    let upgrade = ["upgrade", "mesh", ".", "-n", &namespace, "--reuse-values"];
    in_cluster(plane, &upgrade).await;
    let after = eventually("the Secret is filled", async || {
        secrets.get(name).await.unwrap().data
    })
    .await;
    assert_eq!(after, before);
    started = start(ports[1]);
    started.ready().await;
}

#[tokio::test]
async fn renews_its_certificate_without_the_lease() {
    let _turn = turn().await;
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    let ports = Ports::free();
    let url = ports.url();
    let set = format!("revision=leaseless,sidecarInjectorWebhook.injectionURL={url}");
    install(plane, &namespace, &set).await;
    let name = "pillion-injector-certs-leaseless";
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    leases.delete(name, &DeleteParams::default()).await.unwrap();
    let kubeconfig = kubeconfig(plane, &namespace, "pillion-injector-leaseless").await;
    let flags = ["--namespace", &namespace, "--revision", "leaseless"];
    let lifetime = ["--certificate-lifetime", "9s"];
    let mut injector =
        InjectorProcess::start(&kubeconfig, ports, &[flags.as_slice(), &lifetime].concat());
    injector.ready().await;
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let first = secrets.get(name).await.unwrap().data;
    eventually("a renewal", async || {
        let renewed = secrets.get(name).await.unwrap().data != first;
        renewed.then_some(())
    })
    .await;
    assert!(leases.get_opt(name).await.unwrap().is_none());
}
