//! What goes between two pods, as somebody sees it who listens on the wire.

use serde_json::json;

use crate::harness::{
    Flow, Namespace, Tap, busybox, pod, samples, server, service, until_answered,
};

use super::trio::without_sidecar;

/// Nobody else says this.
const SECRET: &str = "nobody-else-reads-this";
const HTTP: u16 = 8080;
const TCP: u16 = 9000;

/// The pods `server`, which speaks HTTP and TCP, `client`, and `plain`, which has no sidecar.
async fn deploy(shop: &Namespace) {
    let mut plain = without_sidecar("plain");
    plain["spec"]["containers"][0]["name"] = json!("samples");
    let tools = [
        busybox("busybox", "exec sleep infinity"),
        samples("samples", &["pillion-samples", "sleep"]),
    ];
    let servers = [
        server("httpbin", &["httpbin"], HTTP),
        server("echo", &["tcp-echo", &TCP.to_string(), "one"], TCP),
    ];
    let objects = [
        pod("server", &servers),
        service("server", &[HTTP, TCP]),
        pod("client", &tools),
        plain,
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["server", "client", "plain"]).await;
}

/// Asks for something over HTTP/1.1 and HTTP/2, telling the secret.
async fn ask(shop: &Namespace, client: &str) {
    let header = format!("X-Secret: {SECRET}");
    let url = format!("http://server:{HTTP}/headers");
    for more in ["--http1.1", "--http2-prior-knowledge"] {
        let curl = ["curl", "-sS", "-m", "10", "-f", more, "-H", &header, &url];
        let answer = shop.exec_in(client, "samples", &curl).await;
        assert!(answer.contains(SECRET), "{answer}");
    }
}

/// Those that clients sent to a port, each with what came back.
fn to<'a>(flows: &'a [Flow], client: &str, server: &str, port: u16) -> Vec<(&'a Flow, &'a Flow)> {
    let sent = flows.iter().filter(|flow| flow.is_to(client, server, port));
    let answered = |flow: &&'a Flow| flows.iter().find(|other| other.answers(flow));
    sent.filter_map(|flow| Some((flow, answered(&flow)?)))
        .collect()
}

#[tokio::test]
async fn two_pods_speak_tls_1_3_without_anybody_s_doing() {
    let Some(shop) = Namespace::injected("wire").await else {
        return;
    };
    deploy(&shop).await;
    let tap = Tap::between(&shop, &["client", "plain", "server"]).await;
    shop.exec_in(
        "client",
        "busybox",
        &["sh", "-euc", &until_answered("server", HTTP)],
    )
    .await;
    ask(&shop, "client").await;
    let echo = format!("echo {SECRET} | nc server {TCP} | grep -q 'one {SECRET}'");
    shop.exec_in("client", "busybox", &["sh", "-euc", &echo])
        .await;
    // That the tap would have heard it.
    ask(&shop, "plain").await;
    let flows = tap.finish().await;

    let address = async |pod: &str| shop.address(pod).await;
    let (client, plain, server) = (
        address("client").await,
        address("plain").await,
        address("server").await,
    );
    for (port, protocols) in [
        (HTTP, &["istio-http/1.1", "istio-h2"][..]),
        (TCP, &["istio"]),
    ] {
        let pairs = to(&flows, &client, &server, port);
        assert!(!pairs.is_empty(), "nothing went to {port}");
        for (sent, received) in &pairs {
            assert!(sent.is_tls() && received.is_tls(), "{sent:?}");
            assert!(received.agrees_to_tls_1_3(), "{received:?}");
            assert!(!sent.says(SECRET) && !received.says(SECRET), "{sent:?}");
            // Certificates are encrypted, too, and so is who they are of.
            assert!(!sent.says("spiffe://") && !received.says("spiffe://"));
        }
        let host = format!(
            "outbound_.{port}_._.server.{}.svc.cluster.local",
            shop.name()
        );
        assert!(pairs.iter().all(|(sent, _)| sent.says(&host)), "{host}");
        for protocol in protocols {
            assert!(
                pairs.iter().any(|(sent, _)| sent.says(protocol)),
                "{protocol}"
            );
        }
    }
    let pairs = to(&flows, &plain, &server, HTTP);
    assert!(
        pairs
            .iter()
            .any(|(sent, received)| sent.says(SECRET) && received.says(SECRET))
    );
    assert!(pairs.iter().all(|(sent, _)| !sent.is_tls()));
    // Nothing else went between the client's pod and the server's.
    let all = to(&flows, &client, &server, HTTP).len() + to(&flows, &client, &server, TCP).len();
    let between = flows
        .iter()
        .filter(|flow| flow.is_between(&client, &server));
    assert_eq!(between.count(), 2 * all);
}
