//! The ingress gateway is replaced, and its rules change, while visitors come.

use serde_json::{Value, json};

use crate::harness::{Gateway, Namespace, Versions, Visitors};

const HOST: &str = "www.visited.test";

fn object(kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": "visited"},
        "spec": spec,
    })
}

/// Shows both versions at the gateway for these hosts.
async fn show(shop: &Namespace, gateway_hosts: &[&str], hosts: &[&str]) {
    let server =
        json!({"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": gateway_hosts});
    let gateway = json!({"selector": {"istio": "ingressgateway"}, "servers": [server]});
    let destination = json!({"host": "helloworld", "port": {"number": 5000}});
    let http = json!([{"route": [{"destination": destination}]}]);
    let rule = json!({"hosts": hosts, "gateways": ["visited"], "http": http});
    for it in [object("Gateway", &gateway), object("VirtualService", &rule)] {
        shop.apply(&it.to_string()).await;
    }
}

#[tokio::test]
async fn no_visit_fails_while_the_gateway_is_replaced() {
    let Some(shop) = Namespace::alone("visits").await else {
        return;
    };
    Versions::deploy(&shop).await;
    show(&shop, &[HOST], &[HOST]).await;
    let gateway = Gateway::of(&shop).await;
    let visitors = Visitors::start(&gateway, HOST, "/hello").await;
    for _ in 0..2 {
        for action in ["restart", "status"] {
            let mut kubectl = shop.cluster.tool("kubectl");
            kubectl.args(["-n", "istio-system", "rollout", action]);
            kubectl.arg("deployment/istio-ingressgateway");
            let status = kubectl.status().await.unwrap();
            assert!(status.success());
        }
        visitors.go_on().await;
    }
    visitors.finish().await;
}

#[tokio::test]
async fn no_visit_fails_while_the_gateway_s_hosts_and_routes_change() {
    let Some(shop) = Namespace::injected("shown").await else {
        return;
    };
    let host = "www.shown.test";
    let hello = Versions::deploy(&shop).await;
    show(&shop, &[host], &[host]).await;
    let gateway = Gateway::of(&shop).await;
    let visitors = Visitors::start(&gateway, host, "/hello").await;
    for _ in 0..2 {
        show(&shop, &["*.shown.test"], &[host]).await;
        visitors.go_on().await;
        show(&shop, &["*.shown.test"], &["more.shown.test", host]).await;
        visitors.go_on().await;
        show(&shop, &[host, "more.shown.test"], &[host]).await;
        visitors.go_on().await;
        // What is behind it changes as well.
        hello.set_subsets().await;
        let replicas = ["scale", "deployment/helloworld-v2", "--replicas=2"];
        shop.kubectl(&replicas).await;
        visitors.go_on().await;
        hello.unset_subsets().await;
        show(&shop, &[host], &[host]).await;
    }
    visitors.finish().await;
}
