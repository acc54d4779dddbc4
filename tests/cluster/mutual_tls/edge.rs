//! What comes in through the ingress gateway goes on by mutual TLS.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::json;

use super::{
    peers::{Policy, identity},
    trio::{Said, ask, without_sidecar},
};
use crate::{
    bookinfo,
    harness::{
        Gateway, MeshPolicy, Namespace, eventually, get_of, mode, peer_authentication, pod, server,
        service,
    },
};

const GATEWAY: &str =
    "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account";

/// Shows the server of a test at the gateway.
async fn show(shop: &Namespace, host: &str) {
    let of_http = json!({"number": 80, "name": "http", "protocol": "HTTP"});
    let servers = json!([{"port": of_http, "hosts": [host]}]);
    let destination = json!({"host": "server", "port": {"number": 8080}});
    for (kind, spec) in [
        (
            "Gateway",
            json!({"selector": {"istio": "ingressgateway"}, "servers": servers}),
        ),
        (
            "VirtualService",
            json!({"hosts": [host], "gateways": ["edge"], "http": [{"route": [{"destination": destination}]}]}),
        ),
    ] {
        let object = json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": kind,
            "metadata": {"name": "edge"},
            "spec": spec,
        });
        shop.apply(&object.to_string()).await;
    }
}

#[tokio::test]
async fn the_gateway_proves_itself_to_servers_that_refuse_plaintext() {
    let Some(shop) = Namespace::injected("edge").await else {
        return;
    };
    let host = "www.edge.test";
    let httpbin = server("server", &["httpbin"], 8080);
    let objects = [
        pod("server", &[httpbin]),
        service("server", &[8080]),
        without_sidecar("plain"),
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["server", "plain"]).await;
    let strict = peer_authentication("default", &mode("STRICT"));
    shop.apply(&strict).await;
    eventually("plaintext is refused", async || {
        let said = ask(&shop, "plain", "http://server:8080/hostname").await;
        matches!(said, Said::Refused(_)).then_some(())
    })
    .await;
    // Some was taken before the server knew.
    let before = Policy::None.requests(&shop, "server").await;
    show(&shop, host).await;
    let gateway = Gateway::of(&shop).await;
    let answer = gateway.answers(host, "/headers", 200).await;
    let own = identity(&shop);
    for part in [format!("By={own};"), format!("URI={GATEWAY}")] {
        assert!(answer.contains(&part), "{part}: {answer}");
    }
    // What a stranger says of itself does not get in.
    let url = format!("http://{}/headers", gateway.http());
    let of_host = format!("Host: {host}");
    let forged = "X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/forged/sa/forged";
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-s", "-H", &of_host, "-H", forged, &url]);
    let answer = curl.output().await.expect("install curl").stdout;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.contains(GATEWAY) && !answer.contains("forged"),
        "{answer}"
    );
    eventually("the gateway is counted by who it is", async || {
        let counters = shop.counters("server").await;
        let labels = [
            ("reporter", "destination"),
            ("connection_security_policy", "mutual_tls"),
            ("source_principal", GATEWAY),
        ];
        (counters.sum("istio_requests_total", &labels) > 0).then_some(())
    })
    .await;
    assert_eq!(Policy::None.requests(&shop, "server").await, before);
}

#[tokio::test]
async fn bookinfo_is_whole_where_the_mesh_refuses_plaintext() {
    let Some(shop) = Namespace::alone("strict").await else {
        return;
    };
    let _policy = MeshPolicy::set(&shop, "STRICT").await;
    shop.create(&[without_sidecar("plain")]).await;
    bookinfo::deploy(&shop).await;
    shop.wait_ready(&["plain"]).await;
    shop.apply(bookinfo::FOR_ONE_HOST).await;
    let (gateway, host) = (Gateway::of(&shop).await, "bookinfo.example.com");
    gateway.answers(host, "/productpage", 200).await;
    let mut seen = BTreeSet::new();
    eventually("all three versions are seen", async || {
        let page = get_of(&gateway.http(), host, "/productpage").await?;
        seen.insert(bookinfo::stars(&page));
        (seen.len() == 3).then_some(())
    })
    .await;
    for url in [
        "http://productpage:9080/productpage",
        "http://ratings:9080/ratings/0",
    ] {
        let said = ask(&shop, "plain", url).await;
        assert!(matches!(said, Said::Refused(_)), "{url}: {said:?}");
    }
    let pods = shop
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let names = pods.items.into_iter().filter_map(|pod| pod.metadata.name);
    let servers = ["productpage", "details", "reviews", "ratings"];
    for name in names.filter(|name| servers.iter().any(|server| name.starts_with(server))) {
        let mutual = Policy::MutualTls.requests(&shop, &name).await;
        let none = Policy::None.requests(&shop, &name).await;
        assert!(mutual > 0 && none == 0, "{name}: {mutual} and {none}");
    }
}
