//! The walk-through with a stock Envoy as the sidecar of every pod, which `pillion-proxy agent` runs. What is checked, the
//! tests of the proxy check, too.

use serde_json::{Value, json};

use crate::{
    bookinfo,
    harness::{
        Gateway, Load, Namespace, Store, eventually, mode, peer_authentication, pod, sample,
        server, service,
    },
    mutual_tls::trio::{Said, ask, without_sidecar},
    rolling_update, tcp_routes,
    tracing::bookinfo::{Visitor, is_one_trace},
    weighted,
};

/// No other test has it at the gateway.
const HOST: &str = "envoys.example.com";

/// Checks that the image of each sidecar is the agent's.
async fn have_envoys(shop: &Namespace) {
    let image = "{.spec.initContainers[?(@.name==\"istio-proxy\")].image}";
    let images = format!("jsonpath={{range .items[*]}}{image}{{\"\\n\"}}{{end}}");
    let images = shop.kubectl(&["get", "pods", "-o", &images]).await;
    assert!(!images.is_empty());
    for image in images.lines() {
        assert!(image.contains("/pillion-agent:"), "{images}");
    }
}

#[tokio::test]
async fn bookinfo_is_shown_routed_traced_and_encrypted() {
    let Some(shop) = Namespace::of_envoy("envoys").await else {
        return;
    };
    bookinfo::deploy(&shop).await;
    have_envoys(&shop).await;
    bookinfo::is_there_for_another_pod(&shop).await;
    let gateway = Gateway::of(&shop).await;
    bookinfo::is_shown_for(&shop, &gateway, HOST).await;
    bookinfo::shows_all_versions(&gateway, HOST).await;
    bookinfo::routes_name_versions(&shop).await;

    // Red stars, for which each service but one is asked.
    let red = "bookinfo/networking/virtual-service-reviews-v3.yaml";
    shop.apply_samples(&[red]).await;
    let jaeger = Store::jaeger(&shop).await;
    let visitor = Visitor {
        gateway: &gateway,
        host: HOST,
        fields: &["x-b3-sampled: 1"],
    };
    is_one_trace(jaeger, &shop, &visitor).await;

    all_prove_who_they_are(&shop).await;
    eventually("red stars under STRICT", async || {
        let page = gateway.answers(HOST, "/productpage", 200).await;
        (bookinfo::stars(&page) == "red").then_some(())
    })
    .await;
}

/// The client's account that a server is told of when it is asked from a container.
async fn account(shop: &Namespace, (pod, container): (&str, &str), server: &str) -> Option<String> {
    let url = format!("http://{server}:8080/headers");
    let exec = ["exec", pod, "-c", container, "--"];
    let curl = ["curl", "-sS", "-f", "-m", "10", &url];
    let output = shop.command(&[&exec[..], &curl].concat()).output();
    let answer = output.await.unwrap().stdout;
    let answer: Value = serde_json::from_slice(&answer).ok()?;
    let told = answer["headers"]["X-Forwarded-Client-Cert"].as_str()?;
    let uri = told.split(';').find_map(|part| part.strip_prefix("URI="))?;
    let (_, account) = uri.rsplit_once("/sa/")?;
    Some(account.to_owned())
}

/// Has the namespace take mutual TLS alone, and asks from Envoy to Envoy, and from and to the proxy.
async fn all_prove_who_they_are(shop: &Namespace) {
    let httpbin = |name: &str| pod(name, &[server(name, &["httpbin"], 8080)]);
    // Envoy as a client doesn't say that it speaks HTTP.
    let declared = |name: &str| {
        let mut service = service(name, &[8080]);
        service["spec"]["ports"][0]["name"] = json!("http");
        service
    };
    shop.create(&[
        httpbin("echo"),
        declared("echo"),
        declared("proxied"),
        without_sidecar("plain"),
    ])
    .await;
    // As it is written here, it has the proxy.
    shop.apply(&httpbin("proxied").to_string()).await;
    shop.wait_ready(&["echo", "proxied", "plain"]).await;
    let strict = peer_authentication("default", &mode("STRICT"));
    shop.apply(&strict).await;
    eventually("plaintext is refused", async || {
        let said = ask(shop, "plain", "http://echo:8080/hostname").await;
        matches!(said, Said::Refused(_)).then_some(())
    })
    .await;
    for (client, server, expected) in [
        (("deploy/sleep", "sleep"), "echo", "sleep"),
        (("deploy/sleep", "sleep"), "proxied", "sleep"),
        (("proxied", "proxied"), "echo", "default"),
    ] {
        eventually(&format!("{client:?} is known to {server}"), async || {
            let account = account(shop, client, server).await?;
            (account == expected).then_some(())
        })
        .await;
    }
}

/// The rules of a sample without the gateway, whose one port for TCP is another test's.
fn of_mesh(name: &str) -> String {
    let text = sample(&format!("tcp-echo/{name}.yaml"));
    let rules = text.replace("  - tcp-echo-gateway\n", "");
    let rules: Vec<_> = rules
        .split("\n---\n")
        .filter(|object| !object.contains("kind: Gateway"))
        .collect();
    rules.join("\n---\n")
}

#[tokio::test]
async fn routes_of_http_and_tcp_have_conditions_and_weights() {
    let Some(shop) = Namespace::of_envoy("envoyroutes").await else {
        return;
    };
    weighted::deploy(&shop).await;
    weighted::requests_are_shared(&shop).await;
    weighted::conditions_are_met(&shop).await;

    tcp_routes::deploy(&shop).await;
    have_envoys(&shop).await;
    shop.apply(&of_mesh("tcp-echo-all-v1")).await;
    eventually("all to v1", async || {
        (tcp_routes::from_the_mesh(&shop, 20).await == (20, 0)).then_some(())
    })
    .await;
    shop.apply(&of_mesh("tcp-echo-20-80")).await;
    eventually("some to v2", async || {
        (tcp_routes::from_the_mesh(&shop, 50).await.1 > 0).then_some(())
    })
    .await;
    let (first, second) = tcp_routes::from_the_mesh(&shop, 200).await;
    // 160 on average; five standard deviations are 28.
    assert!((132..=188).contains(&first), "{first} and {second}");
    assert_eq!(first + second, 200);
}

#[tokio::test]
async fn no_request_fails_while_envoys_end_and_others_start() {
    let Some(shop) = Namespace::of_envoy("envoyrolling").await else {
        return;
    };
    rolling_update::deploy(&shop).await;
    have_envoys(&shop).await;
    let load = Load::keeping_connections(&shop, "hello", 5000, "/hello").await;
    rolling_update::update(&shop, load).await;
}
