//! What the objects' statuses, Events and the debug port say about rules.

use k8s_openapi::api::{coordination::v1::Lease, events::v1::Event};
use kube::{Api, api::ListParams};
use pillion_envoy_api::{envoy::config::route::v3::RouteConfiguration, type_url};
use serde_json::{Value, json};

use super::installation::{Installation, Shop, WRITER, plane};
use crate::eventually;

fn to(host: &str) -> Value {
    json!({"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": host}}]}]})
}

/// Waits until a condition has a reason. Returns its message.
async fn message(shop: &Shop, rule: &str, condition: &str, reason: &str) -> String {
    message_of(shop, ("VirtualService", rule), (condition, reason)).await
}

/// The same of a rule of any kind.
async fn message_of(
    shop: &Shop,
    (kind, rule): (&str, &str),
    (condition, reason): (&str, &str),
) -> String {
    eventually(&format!("{rule}: {condition} {reason}"), async || {
        let status = shop.status(kind, rule).await;
        let mut all = status["conditions"].as_array()?.iter();
        let condition = all.find(|one| one["type"] == condition && one["reason"] == reason)?;
        Some(condition["message"].as_str()?.to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_says_what_became_of_a_rule() {
    let _alone = WRITER.lock().await;
    let discovery = Installation::with(true).await;
    let shop = discovery.shop().await;
    shop.service("reviews", &["10.7.0.2"]).await;

    // A fault.
    shop.rule("VirtualService", "reviews", to(""))
        .await
        .unwrap();
    let text = message(&shop, "reviews", "PassedAnalysis", "errorsFound").await;
    assert!(text.contains("host"), "{text}");
    message(&shop, "reviews", "Reconciled", "invalid").await;

    // A finding.
    shop.rule("VirtualService", "reviews", to("ratings"))
        .await
        .unwrap();
    message(&shop, "reviews", "Reconciled", "inForce").await;
    let text = message(&shop, "reviews", "PassedAnalysis", "errorsFound").await;
    assert!(text.contains("sees no Service ratings"), "{text}");
    let status = shop.status("VirtualService", "reviews").await;
    assert_eq!(status["validationMessages"][0]["type"]["code"], "IST0101");

    // Another object puts it right.
    shop.service("ratings", &["10.7.0.3"]).await;
    message(&shop, "reviews", "PassedAnalysis", "noErrorsFound").await;
    let status = shop.status("VirtualService", "reviews").await;
    assert!(status["validationMessages"].is_null(), "{status}");
    assert_eq!(status["observedGeneration"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telemetry_has_a_status() {
    let _alone = WRITER.lock().await;
    let discovery = Installation::with(true).await;
    let shop = discovery.shop().await;
    let all = ("Telemetry", "all");
    let metrics = json!({"metrics": [{"providers": [{"name": "prometheus"}]}]});
    shop.rule(all.0, all.1, metrics).await.unwrap();
    message_of(&shop, all, ("Reconciled", "invalid")).await;
    let text = message_of(&shop, all, ("PassedAnalysis", "errorsFound")).await;
    assert!(text.contains("spec.metrics: "), "{text}");

    let spec = json!({"tracing": [{"providers": [{"name": "none"}], "randomSamplingPercentage": 12.5}], "metrics": []});
    shop.rule(all.0, all.1, spec).await.unwrap();
    message_of(&shop, all, ("Reconciled", "inForce")).await;
    let text = message_of(&shop, all, ("PassedAnalysis", "errorsFound")).await;
    assert!(text.contains("the mesh has no provider none"), "{text}");
    let status = shop.status(all.0, all.1).await;
    assert_eq!(status["validationMessages"][0]["type"]["code"], "IST0101");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_authentication_has_a_status() {
    let _alone = WRITER.lock().await;
    let discovery = Installation::with(true).await;
    let shop = discovery.shop().await;
    let strict = json!({"mtls": {"mode": "STRICT"}});
    let (older, younger) = (("PeerAuthentication", "one"), ("PeerAuthentication", "two"));
    shop.rule(older.0, older.1, strict.clone()).await.unwrap();
    message_of(&shop, older, ("Reconciled", "inForce")).await;
    message_of(&shop, older, ("PassedAnalysis", "noErrorsFound")).await;
    shop.rule(younger.0, younger.1, strict).await.unwrap();
    let text = message_of(&shop, younger, ("PassedAnalysis", "errorsFound")).await;
    assert!(text.contains("the older PeerAuthentication"), "{text}");
    let status = shop.status(younger.0, younger.1).await;
    assert_eq!(status["validationMessages"][0]["type"]["code"], "PIL0108");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_holds_the_lease() {
    let _alone = WRITER.lock().await;
    let discovery = Installation::with(true).await;
    let leases: Api<Lease> = Api::namespaced(discovery.client.clone(), &discovery.namespace);
    let name = format!("pillion-discovery-status-{}", discovery.namespace);
    let holder = eventually("a holder", async || {
        let lease = leases.get_opt(&name).await.unwrap()?;
        lease.spec?.holder_identity
    })
    .await;
    assert!(holder.starts_with("process-"), "{holder}");

    // Another replica of the same installation, which leaves the Lease to the first.
    let client = plane().await.client().await.unwrap();
    let kubeconfig = plane().await.kubeconfig();
    let namespace = discovery.namespace.clone();
    let _second = Installation::start(client, namespace, kubeconfig, true).await;
    let renewed = async || leases.get(&name).await.unwrap().spec.unwrap();
    let before = renewed().await.renew_time;
    eventually("two renewals", async || {
        let spec = renewed().await;
        assert_eq!(spec.holder_identity.as_deref(), Some(&*holder));
        (spec.renew_time > before).then_some(())
    })
    .await;
    // When the first ends, the other goes on.
    drop(discovery);
    eventually("another holder", async || {
        let other = renewed().await.holder_identity?;
        (other != holder).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_to_the_owner_of_the_rule() {
    let _alone = WRITER.lock().await;
    let discovery = Installation::with(true).await;
    let shop = discovery.shop().await;
    let pod = shop.pod("client", "10.8.0.1").await;
    shop.service("reviews", &["10.8.0.2"]).await;
    shop.rule("VirtualService", "reviews", to("reviews"))
        .await
        .unwrap();
    message(&shop, "reviews", "Reconciled", "inForce").await;

    let mut reader = discovery.connect(&shop, &pod).await;
    reader
        .subscribe(type_url::ROUTE_CONFIGURATION, &["9080"])
        .await;
    let table = reader
        .until("the table", |reader| {
            reader.get::<RouteConfiguration>(type_url::ROUTE_CONFIGURATION, "9080")
        })
        .await;
    let mut proxy = discovery.connect(&shop, &pod).await;
    proxy
        .subscribe(type_url::ROUTE_CONFIGURATION, &["9080"])
        .await;
    let host = shop.host("reviews");
    let mut hosts = table.virtual_hosts.iter();
    let host = hosts.position(|one| one.name.starts_with(&host)).unwrap();
    let reason = format!("9080: virtual_hosts[{host}].routes[0]: no");
    proxy.refuse(type_url::ROUTE_CONFIGURATION, &reason).await;
    let text = message(&shop, "reviews", "Reconciled", "refusedByProxies").await;
    let named = format!("{}/client: {reason}", shop.namespace);
    assert!(text.contains(&named), "{text}");
    eventually("an Event on the rule", async || {
        let events = shop.api::<Event>().list(&ListParams::default()).await;
        let mut events = events.unwrap().items.into_iter();
        events.find(|event| event.reason.as_deref() == Some("RefusedByProxy"))
    })
    .await;
    let proxies = discovery.proxies();
    let name = format!("client.{}", shop.namespace);
    let is_refusing =
        |proxy: &&Value| proxy["proxy"] == name && proxy["kinds"]["RDS"]["state"] == "NACK";
    let found = proxies.iter().find(is_refusing).unwrap();
    let rule = format!("VirtualService {}/reviews", shop.namespace);
    assert_eq!(found["kinds"]["RDS"]["rules"], json!([rule]), "{found}");
    assert_eq!(found["kinds"]["CDS"]["state"], "NOT SENT", "{found}");

    // A new version that is accepted.
    let named = json!({"hosts": ["reviews"], "http": [
        {"name": "new", "route": [{"destination": {"host": "reviews"}}]}]});
    shop.rule("VirtualService", "reviews", named).await.unwrap();
    proxy
        .until("the new table", |proxy| {
            proxy.get::<RouteConfiguration>(type_url::ROUTE_CONFIGURATION, "9080")
        })
        .await;
    message(&shop, "reviews", "Reconciled", "inForce").await;
}
