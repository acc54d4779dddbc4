//! Kubernetes' kinds of Service in front of injected pods.

use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::harness::{Namespace, Reporter::*, busybox, eventually, get, pod, server, service};

/// Says the pod's name under /hostname.
fn web(name: &str) -> Value {
    pod(name, &[server(name, &["httpbin"], 8080)])
}

#[tokio::test]
async fn a_headless_service_leads_to_each_of_its_pods() {
    let Some(shop) = Namespace::injected("headless").await else {
        return;
    };
    let mut objects = vec![pod("client", &[busybox("client", "exec sleep infinity")])];
    for name in ["one", "two"] {
        let mut web = web(name);
        web["metadata"]["labels"] = json!({"app": "web"});
        web["spec"]["hostname"] = json!(name);
        web["spec"]["subdomain"] = json!("web");
        objects.push(web);
    }
    let mut headless = service("web", &[8080]);
    headless["spec"]["clusterIP"] = json!("None");
    objects.push(headless);
    shop.create(&objects).await;
    shop.wait_ready(&["client", "one", "two"]).await;

    for name in ["one", "two"] {
        let ask = format!("wget -q -O- http://{name}.web:8080/hostname");
        // DNS hears of pods a little later than kubectl.
        let answer = eventually(name, async || {
            let mut command = shop.command(&["exec", "client", "--", "sh", "-c", &ask]);
            let output = command.output().await.unwrap();
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success().then_some(answer)
        })
        .await;
        assert!(answer.contains(&format!("\"{name}\"")), "{answer}");
        assert!(shop.counters(name).await.carried(Destination) >= 1);
    }
    assert!(shop.counters("client").await.carried(Source) >= 2);
    let answer = shop
        .sh("client", "wget -q -O- http://web:8080/hostname")
        .await;
    assert!(answer.contains("one") || answer.contains("two"), "{answer}");
}

#[tokio::test]
async fn a_node_port_leads_into_an_injected_pod() {
    let Some(shop) = Namespace::injected("nodeport").await else {
        return;
    };
    let mut open = service("web", &[8080]);
    open["spec"]["type"] = json!("NodePort");
    shop.create(&[web("web"), open]).await;
    shop.wait_ready(&["web"]).await;
    let port = "jsonpath={.spec.ports[0].nodePort}";
    let port = shop.kubectl(&["get", "service", "web", "-o", port]).await;
    let nodes: Api<Node> = Api::all(shop.client.clone());
    let node = nodes
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .remove(0);
    let addresses = node.status.unwrap().addresses.unwrap();
    let internal = addresses
        .iter()
        .find(|address| address.type_ == "InternalIP");
    let address = format!("{}:{port}", internal.unwrap().address);

    // kube-proxy hears of the pod a little later than kubectl.
    let answer = eventually("an answer", async || get(&address, "/hostname").await).await;
    assert!(answer.contains("\"web\""), "{answer}");
    assert!(shop.counters("web").await.carried(Destination) >= 1);
}
