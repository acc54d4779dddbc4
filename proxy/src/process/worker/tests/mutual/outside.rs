//! A server outside the mesh that wants a certificate which it knows.

use pillion_certs::mesh::OutsideName;

use super::*;
use crate::tables::{CertificateFiles, Outside, Proof};

/// The cluster `server`, which is shown the certificate in these files of a folder.
fn cluster_shown(server: SocketAddr, folder: &Folder, chain: &str, key: &str) -> Clusters {
    let path = |name: &str| folder.0.join(name).into_os_string().into_string().unwrap();
    let server_name = "spiffe://cluster.local/ns/shop/sa/server";
    let outside = Outside {
        proof: Proof::Checked {
            roots: path("roots.pem").into(),
            names: vec![OutsideName::Uri(server_name.to_owned())],
        },
        shown: Some(CertificateFiles {
            chain: path(chain).into(),
            key: path(key).into(),
        }),
    };
    let mut settings = settings(UpstreamProtocol::Http1, None);
    settings.tls = Some(Arc::new(UpstreamTls::outside(
        "server.example.com".into(),
        Vec::new(),
        outside,
    )));
    Clusters::from_iter([ClusterStates::default().build(settings, endpoint(server, true))])
}

#[tokio::test]
async fn it_lets_in_who_has_the_files_and_who_lacks_one_hears_which() {
    let theirs = Mesh::new();
    let folder = Folder::new(&theirs, "server");
    let (chain, key) = theirs.files("client");
    fs::write(folder.0.join("client.pem"), chain).unwrap();
    fs::write(folder.0.join("client-key.pem"), key).unwrap();
    let (_server, address) = s_server(&folder).await;
    // What the mesh gave this proxy is of no use there.
    let ours = Mesh::new();
    let clusters = cluster_shown(address, &folder, "client.pem", "client-key.pem");
    let (port, gateway) = proxy(&ours, "web", plain(), clusters).await;
    let answer = ask(port).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.0 200 "),
        "{answer}"
    );
    assert!(
        !answer.contains("no client certificate available"),
        "{answer}"
    );
    gateway.workers.stop().await;
    for (chain, key, field) in [
        ("none.pem", "client-key.pem", "clientCertificate"),
        ("client.pem", "none.pem", "privateKey"),
    ] {
        let clusters = cluster_shown(address, &folder, chain, key);
        let (port, gateway) = proxy(&ours, "web", plain(), clusters).await;
        let answer = ask(port).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(
            answer.contains("/none.pem") && answer.contains(field),
            "{answer}"
        );
        gateway.workers.stop().await;
    }
}
