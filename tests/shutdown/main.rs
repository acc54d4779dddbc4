//! The end of the injector's process, as the kubelet asks for it: the real
//! binary, against a real API server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(dead_code)] // the harness does more than is needed here

#[path = "../support/injector_process.rs"]
mod injector_process;
#[path = "../certificates/installation.rs"]
mod installation;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use injector_process::Ports;
use installation::Installation;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Polls until something is so.
async fn eventually(what: &str, mut poll: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !poll().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn connect(address: SocketAddr, root: &str) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(address.ip().to_string()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_in_flight_is_answered_before_the_process_ends_with_0() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let mut injector = installation.start(ports, &[]);
    injector.ready().await;

    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "9a-1", "namespace": installation.namespace, "operation": "CREATE",
            "object": {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}},
    })
    .to_string();
    let root = installation.secret("ca.crt").await.unwrap();
    let mut caller = connect(ports.webhook, &root).await;
    let head = format!(
        "POST /inject HTTP/1.1\r\nHost: injector\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        review.len()
    );
    caller.write_all(head.as_bytes()).await.unwrap();
    caller.flush().await.unwrap();
    eventually("the review is in flight", async || {
        injector.metric("pillion_webhook_reviews_in_flight") == Some(1.0)
    })
    .await;

    injector.terminate();
    eventually("it is not ready any more", async || {
        let answer = injector.get("/readyz").unwrap_or_default();
        answer.starts_with("HTTP/1.1 503") && answer.contains("draining")
    })
    .await;
    eventually("its port is closed", async || {
        TcpStream::connect(ports.webhook).await.is_err()
    })
    .await;

    caller.write_all(review.as_bytes()).await.unwrap();
    caller.flush().await.unwrap();
    let mut answer = Vec::new();
    // The server closes the connection behind its answer.
    let _ = caller.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("JSONPatch"), "{answer}");

    assert_eq!(injector.ended().await.code(), Some(0));
}
