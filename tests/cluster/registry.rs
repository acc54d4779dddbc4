//! Hosts outside of the mesh: with a ServiceEntry, and without one where only what is registered may be reached.

use serde_json::{Value, json};

use crate::harness::{Namespace, Release, eventually, pod, samples, server, service};

/// Nothing is there: the client's sidecar decides by the host.
const NOWHERE: &str = "10.96.200.200";

/// A client in the mesh, and a server that is not.
async fn with_outsider(shop: &Namespace) {
    let mut outsider = pod("outsider", &[server("outsider", &["httpbin"], 8080)]);
    outsider["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false");
    let client = pod(
        "client",
        &[samples("client", &["pillion-samples", "sleep"])],
    );
    shop.create(&[outsider, client, service("outsider", &[8080])])
        .await;
    shop.wait_ready(&["outsider", "client"]).await;
}

fn entry(host: &str, resolution: &str, address: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": host.split('.').next()},
        "spec": {
            "hosts": [host],
            "location": "MESH_EXTERNAL",
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "resolution": resolution,
            "endpoints": [{"address": address, "ports": {"http": 8080}}],
        },
    })
}

/// The status and the body of what the client gets from a host.
async fn ask(shop: &Namespace, host: &str) -> String {
    let (field, url) = (
        format!("Host: {host}"),
        format!("http://{NOWHERE}/hostname"),
    );
    let curl = [
        "curl",
        "-s",
        "-m",
        "10",
        "-w",
        "%{http_code}",
        "-H",
        &field,
        &url,
    ];
    let exec = ["exec", "client", "--"];
    let mut command = shop.command(&[&exec[..], &curl].concat());
    String::from_utf8_lossy(&command.output().await.unwrap().stdout).into_owned()
}

async fn reaches_the_outsider(shop: &Namespace, host: &str) {
    eventually(&format!("{host} answers"), async || {
        let answer = ask(shop, host).await;
        (answer.contains("\"outsider\"") && answer.ends_with("200")).then_some(())
    })
    .await;
    let counters = shop.counters("client").await;
    let labels = [("reporter", "source"), ("destination_service", host)];
    assert!(counters.sum("istio_requests_total", &labels) >= 1);
}

#[tokio::test]
async fn a_service_entry_gives_a_host_its_servers() {
    let Some(shop) = Namespace::injected("entry").await else {
        return;
    };
    with_outsider(&shop).await;
    let address = shop.address("outsider").await;
    let name = format!("outsider.{}.svc.cluster.local", shop.name());
    shop.create(&[
        entry("fixed.example.com", "STATIC", &address),
        entry("named.example.com", "DNS", &name),
    ])
    .await;
    for host in ["fixed.example.com", "named.example.com"] {
        reaches_the_outsider(&shop, host).await;
    }
}

#[tokio::test]
async fn only_registered_hosts_are_reached_where_the_mesh_says_so() {
    const REVISION: &str = "registry";
    let Some(shop) = Namespace::of_revision("registry", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    release
        .upgrade(&["meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY"])
        .await;
    with_outsider(&shop).await;
    eventually("strangers are refused", async || {
        ask(&shop, "fixed.example.com")
            .await
            .ends_with("502")
            .then_some(())
    })
    .await;
    let address = shop.address("outsider").await;
    shop.create(&[entry("fixed.example.com", "STATIC", &address)])
        .await;
    reaches_the_outsider(&shop, "fixed.example.com").await;
    assert!(ask(&shop, "other.example.com").await.ends_with("502"));
}
