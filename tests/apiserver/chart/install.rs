//! The chart on a real API server.

use std::{process::Stdio, time::Duration};

use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Pod},
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use pillion_envtest::{ControlPlane, chart};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use super::helm::{in_cluster, install, success};
use crate::eventually;

const PATIENCE: Duration = Duration::from_secs(120);

fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }))
    .unwrap()
}

#[tokio::test]
async fn the_api_server_accepts_every_variant() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    for values in chart::VARIANTS {
        let manifest = chart::template(&namespace, values).unwrap();
        let mut kubectl = plane
            .tool("kubectl")
            .unwrap()
            .args(["apply", "--dry-run=server", "--validate=strict", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = kubectl.stdin.take().unwrap();
        input.write_all(manifest.as_bytes()).await.unwrap();
        drop(input);
        success(values, &kubectl.wait_with_output().await.unwrap());
    }
}

/// The namespace even carries the label of the revision: the injector must not wait for itself.
#[tokio::test]
async fn its_pods_are_restricted_and_start_without_it() {
    let plane = ControlPlane::shared().await.unwrap();
    let labels = [
        ("pod-security.kubernetes.io/enforce", "restricted"),
        ("istio.io/rev", "bootstrap"),
    ];
    let namespace = plane.namespace("chart", &labels).await.unwrap();
    install(plane, &namespace, "revision=bootstrap").await;

    let pods: Api<Pod> = Api::namespaced(plane.client().await.unwrap(), &namespace);
    let injectors = ListParams::default().labels("app=pillion-injector,istio.io/rev=bootstrap");
    let both = async {
        while pods.list(&injectors).await.unwrap().items.len() < 2 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    if timeout(PATIENCE, both).await.is_err() {
        let events = ["-n", &namespace, "get", "events"];
        let output = plane.tool("kubectl").unwrap().args(events).output().await;
        panic!("{}", success(&events, &output.unwrap()));
    }
}

#[tokio::test]
async fn nothing_blocks_pods_after_an_uninstall() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    let shop = plane
        .namespace("shop", &[("istio.io/rev", "gone")])
        .await
        .unwrap();
    install(plane, &namespace, "revision=gone").await;

    // No injector runs: as asked, no pod gets into the mesh without a sidecar.
    let pods: Api<Pod> = Api::namespaced(plane.client().await.unwrap(), &shop);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let error = eventually("a call of the webhook", async || {
        let created = pods.create(&dry_run, &pod()).await;
        created.err().map(|error| error.to_string())
    })
    .await;
    assert!(
        error.contains("rev.namespace.sidecar-injector.istio.io"),
        "{error}"
    );

    in_cluster(plane, &["uninstall", "mesh", "-n", &namespace, "--wait"]).await;
    eventually("a pod", async || {
        pods.create(&PostParams::default(), &pod()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn two_releases_do_not_select_the_same_pods() {
    let plane = ControlPlane::shared().await.unwrap();
    let (first, second) = (
        plane.namespace("chart", &[]).await.unwrap(),
        plane.namespace("chart", &[]).await.unwrap(),
    );
    install(plane, &first, "revision=one,revisionTags={both}").await;
    let refused = async |set: &str| {
        let arguments = ["install", "mesh", ".", "-n", &second, "--set", set];
        let mut helm = plane.tool("helm").unwrap();
        let output = helm.current_dir(chart::folder()).args(arguments).output();
        let output = output.await.unwrap();
        assert!(!output.status.success(), "{set}");
        String::from_utf8(output.stderr).unwrap()
    };
    for set in [
        "revision=one",
        "revision=both",
        "revision=two,revisionTags={both}",
    ] {
        let complaint = refused(set).await;
        assert!(
            complaint.contains("already selects pods of the revision"),
            "{complaint}"
        );
    }
    install(plane, &second, "revision=two").await;
    // And a release does not stand in its own way.
    let upgrade = ["upgrade", "mesh", ".", "-n", &first, "--reuse-values"];
    in_cluster(plane, &upgrade).await;
}

/// An injector's caBundle, as it would patch it into both webhooks.
async fn patch_bundle(api: &Api<MutatingWebhookConfiguration>, name: &str, bundle: &[u8]) {
    let bundle = ByteString(bundle.to_vec());
    let operations: Vec<_> = (0..2)
        .map(|index| {
            json!({"op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": bundle})
        })
        .collect();
    let patch: json_patch::Patch = serde_json::from_value(json!(operations)).unwrap();
    api.patch(name, &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
        .unwrap();
}

async fn bundles(api: &Api<MutatingWebhookConfiguration>, name: &str) -> Vec<Option<ByteString>> {
    let webhooks = api.get(name).await.unwrap().webhooks.unwrap();
    webhooks
        .into_iter()
        .map(|webhook| webhook.client_config.ca_bundle)
        .collect()
}

#[tokio::test]
async fn upgrades_and_rollbacks_leave_the_ca_bundle_as_it_is() {
    const FIRST: &[u8] = b"the first CA";
    const SECOND: &[u8] = b"the second CA";
    let plane = ControlPlane::shared().await.unwrap();
    for (revision, server_side) in [
        ("apply", "--server-side=true"),
        ("merge", "--server-side=false"),
    ] {
        let namespace = plane.namespace("chart", &[]).await.unwrap();
        let set = format!("crds.enabled=false,revision={revision}");
        let helm = async |arguments: &[&str]| {
            let common = ["-n", &namespace, server_side];
            in_cluster(plane, &[arguments, &common].concat()).await
        };
        helm(&["install", "mesh", ".", "--set", &set]).await;
        let api: Api<MutatingWebhookConfiguration> = Api::all(plane.client().await.unwrap());
        let name = format!("istio-sidecar-injector-{revision}-{namespace}");
        patch_bundle(&api, &name, FIRST).await;

        let url = "sidecarInjectorWebhook.injectionURL=https://127.0.0.1:1/inject";
        for values in ["injector.replicaCount=3", url, "injector.replicaCount=1"] {
            helm(&["upgrade", "mesh", ".", "--set", &set, "--set", values]).await;
            let expected = vec![Some(ByteString(FIRST.into())); 2];
            assert_eq!(bundles(&api, &name).await, expected, "{revision} {values}");
        }

        // The CA has turned over since: the old release must not bring the old one back.
        patch_bundle(&api, &name, SECOND).await;
        for release in ["1", "3"] {
            helm(&["rollback", "mesh", release]).await;
            let expected = vec![Some(ByteString(SECOND.into())); 2];
            assert_eq!(
                bundles(&api, &name).await,
                expected,
                "{revision} to {release}"
            );
        }
    }
}
