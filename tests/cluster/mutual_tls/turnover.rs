//! The mesh's CA turns over under load: its root, and an intermediate under it.

use std::time::Duration;

use pillion_certs::mesh::Description;
use serde_json::json;

use super::{
    authorities::{Ca, root, under},
    peers::Policy,
    renewal::serial,
};
use crate::harness::{
    Load, Namespace, Release, eventually, eventually_within, pod, server, service,
};

const REVISION: &str = "turnover";
/// Certificates live for a minute, and another root is trusted for a minute before it signs. The node's kubelet updates mounted
/// ConfigMaps sooner.
const VALUES: [&str; 3] = [
    "discovery.workloadCertificateLifetime=1m",
    "discovery.maxWorkloadCertificateLifetime=1m",
    "discovery.caOverlap=1m",
];
const PORT: u16 = 5000;
/// Time enough for an overlap, which a replica that starts waits for as a whole, and for a certificate's life.
const TURNOVER: Duration = Duration::from_secs(300);

/// Plugs a CA in, as Istio's users do.
async fn plug(release: &Release, ca: &Ca, root: &Ca) {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts"},
        "stringData": {
            "ca-cert.pem": ca.pem(),
            "ca-key.pem": ca.key().serialize_pem(),
            "cert-chain.pem": ca.pem() + &root.pem(),
            "root-cert.pem": root.pem(),
        },
    });
    release.apply(&secret.to_string()).await;
}

/// The roots that pods of the namespace mount.
async fn roots(shop: &Namespace) -> String {
    let map = format!("configmap/istio-ca-root-cert-{REVISION}");
    let map = ["get", &map, "-o", r"jsonpath={.data.root-cert\.pem}"];
    shop.kubectl(&map).await
}

/// Waits until both ends have a certificate of this CA.
async fn until_signed_by(shop: &Namespace, ca: &Ca) {
    let expected = Description::of(ca.der()).unwrap().serial;
    for end in ["server", "load"] {
        eventually_within(TURNOVER, &format!("a certificate of {end}"), async || {
            let signer = serial(shop, end, end, 1).await;
            (signer.as_ref() == Some(&expected)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn no_request_fails_while_root_and_intermediate_turn_over() {
    let Some(shop) = Namespace::of_revision("turnover", REVISION).await else {
        return;
    };
    let release = Release::install(shop.cluster, REVISION).await;
    release.upgrade(&VALUES).await;
    let hello = server("server", &["helloworld"], PORT);
    shop.create(&[pod("server", &[hello]), service("server", &[PORT])])
        .await;
    shop.wait_ready(&["server"]).await;
    let load = Load::start(&shop, "server", PORT, "/hello").await;

    // Another root in place of the own CA's.
    let own = roots(&shop).await;
    let root = root();
    let [first, second] = [(); 2].map(|()| under(&root));
    plug(&release, &first, &root).await;
    eventually("both roots are trusted", async || {
        let roots = roots(&shop).await;
        (roots.contains(own.trim()) && roots.contains(root.pem().trim())).then_some(())
    })
    .await;
    // Replicas that start meanwhile wait as well.
    release.restart_discovery().await;
    load.goes_on().await;
    until_signed_by(&shop, &first).await;
    load.goes_on().await;

    // Another intermediate.
    plug(&release, &second, &root).await;
    until_signed_by(&shop, &second).await;
    load.goes_on().await;

    load.finish().await.assert_no_failures();
    assert_eq!(Policy::None.requests(&shop, "server").await, 0);
    for pod in ["server", "load"] {
        let proxy = shop.container(pod, "istio-proxy").await.unwrap();
        assert_eq!(proxy.restart_count, 0, "{pod}");
    }
}
