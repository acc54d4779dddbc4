//! The end of the injector's process, as the kubelet asks for it: the real
//! binary, against a real API server.

mod worst_bodies;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    certificates::installation::Installation, eventually, injector_process::Ports, tls::connect,
};

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
    let mut caller = connect(ports.webhook, &root).await.unwrap();
    let head = format!(
        "POST /inject HTTP/1.1\r\nHost: injector\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        review.len()
    );
    caller.write_all(head.as_bytes()).await.unwrap();
    caller.flush().await.unwrap();
    eventually("the review is in flight", async || {
        let in_flight = injector.metric("pillion_webhook_reviews_in_flight");
        (in_flight == Some(1.0)).then_some(())
    })
    .await;

    injector.terminate();
    eventually("it is not ready any more", async || {
        let answer = injector.get("/readyz").unwrap_or_default();
        (answer.starts_with("HTTP/1.1 503") && answer.contains("draining")).then_some(())
    })
    .await;
    eventually("its port is closed", async || {
        TcpStream::connect(ports.webhook).await.err()
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
