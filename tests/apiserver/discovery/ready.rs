//! When discovery says that it is ready.

use std::time::{Duration, Instant};

use tokio::{net::TcpStream, task::yield_now};

use super::installation::{Installation, plane};
use crate::OPTED_OUT;

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_before_its_ports_are_open() {
    let plane = plane().await;
    let client = plane.client().await.unwrap();
    let namespace = plane.namespace("ready", OPTED_OUT).await.unwrap();
    let discovery = Installation::spawn(client, namespace, plane.kubeconfig(), false, &[]);
    // Without a pause: it was ready in the first milliseconds only.
    let deadline = Instant::now() + PATIENCE;
    let first = loop {
        assert!(Instant::now() < deadline, "the status port stays closed");
        if let Some(answer) = discovery.get("/readyz") {
            break answer;
        }
        yield_now().await;
    };
    assert!(first.starts_with("HTTP/1.1 503"), "{first}");
    assert!(first.contains("its ports"), "{first}");
    discovery.ready().await;
    TcpStream::connect(discovery.ads).await.unwrap();
    TcpStream::connect(discovery.webhook).await.unwrap();
}
