//! The discovery service with no more rights than the chart gives it.

use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration, core::v1::ConfigMap,
    events::v1::Event,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use pillion_envoy_api::{envoy::config::listener::v3::Listener, type_url};
use serde_json::json;

use super::{
    ads::Proxy,
    installation::{Installation, WRITER, plane},
};
use crate::{
    chart::{account, helm::install},
    eventually,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_s_service_account_is_all_that_discovery_needs() {
    let plane = plane().await;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("charted", crate::OPTED_OUT).await.unwrap();
    install(plane, &namespace, &format!("revision={namespace}")).await;
    let name = format!("pillion-discovery-{namespace}");
    let kubeconfig = account::kubeconfig(plane, &namespace, &name).await;
    let _alone = WRITER.lock().await;
    let discovery = Installation::start(client.clone(), namespace.clone(), &kubeconfig, true).await;

    let shop = discovery.shop().await;
    let pod = shop.pod("client", "10.6.0.1").await;
    let mut proxy = discovery.connect(&shop, &pod).await;
    proxy.subscribe(type_url::LISTENER, &["*"]).await;
    let listener = |proxy: &Proxy| proxy.get::<Listener>(type_url::LISTENER, "virtualInbound");
    proxy.until("listener", listener).await;

    let bad = json!({"hosts": ["web"], "http": [{"route": [{"destination": {"host": ""}}]}]});
    shop.rule("VirtualService", "bad", bad).await.unwrap();
    let bad = json!({"metrics": [{}]});
    shop.rule("Telemetry", "bad", bad).await.unwrap();
    let bad = json!({"portLevelMtls": {"80": {"mode": "STRICT"}}});
    shop.rule("PeerAuthentication", "bad", bad).await.unwrap();
    for kind in ["VirtualService", "Telemetry", "PeerAuthentication"] {
        eventually("a status", async || {
            let status = shop.status(kind, "bad").await;
            status["conditions"].is_array().then_some(())
        })
        .await;
    }

    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    eventually("the caBundle", async || {
        let name = format!("istio-validator-{namespace}-{namespace}");
        let webhooks = webhooks.get(&name).await.unwrap().webhooks?;
        webhooks.first()?.client_config.ca_bundle.clone()
    })
    .await;

    // A bad edit is reported on the ConfigMap.
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let bad = Patch::Merge(json!({"data": {"mesh": "connectTimeout: soon"}}));
    let name = format!("istio-{namespace}");
    maps.patch(&name, &PatchParams::default(), &bad)
        .await
        .unwrap();
    let events: Api<Event> = Api::namespaced(client, &namespace);
    eventually("an Event", async || {
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let notes = events.into_iter().filter_map(|event| event.note);
        notes
            .filter(|note| note.contains("connectTimeout"))
            .map(drop)
            .next()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_writes_no_other_config_map() {
    let plane = plane().await;
    let namespace = plane.namespace("charted", crate::OPTED_OUT).await.unwrap();
    install(plane, &namespace, &format!("revision={namespace}")).await;
    let name = format!("pillion-discovery-{namespace}");
    let thief = account::client(plane, &namespace, &name).await;
    let maps: Api<ConfigMap> = Api::namespaced(thief, "default");
    let ours = format!("istio-ca-root-cert-{namespace}");
    let create = async |name: &str, owner: &str, key: &str| {
        let map = json!({
            "metadata": {"name": name, "labels": {"pillion.io/discovery": owner}},
            "data": {key: "x"},
        });
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let map = serde_json::from_value(map).unwrap();
        maps.create(&dry_run, &map).await
    };
    let key = "root-cert.pem";
    // Nothing else refuses it: RBAC can't restrict the permission to a name.
    eventually("the policy is in force", async || {
        create("another", &namespace, key).await.err()
    })
    .await;
    for (name, owner, key) in [
        ("another", &*namespace, key),
        (&ours, "another", key),
        (&ours, &namespace, "another"),
    ] {
        match create(name, owner, key).await {
            Err(kube::Error::Api(status)) if status.code == 403 => {
                assert!(status.message.contains("may write"), "{}", status.message);
            }
            answer => panic!("{name} {owner} {key}: {answer:?}"),
        }
    }
    create(&ours, &namespace, key).await.unwrap();
}
