//! The status port.

use std::{net::SocketAddr, sync::Arc};

use pillion::{
    injector::Conditions,
    metrics::{Metrics, ReviewOutcome},
};
use pillion_serve::{Readiness, serve_status};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::server::soon;

struct Status {
    address: SocketAddr,
    readiness: Arc<Readiness>,
    conditions: Conditions,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Status {
    async fn start() -> Self {
        let (readiness, metrics) = (Arc::<Readiness>::default(), Arc::<Metrics>::default());
        let conditions = Conditions::register(&readiness);
        let exposed = Arc::clone(&metrics);
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve_status(
            listener,
            Arc::clone(&readiness),
            move || exposed.encode(),
            stop.clone(),
        );
        let task = tokio::spawn(serving);
        Self {
            address,
            readiness,
            conditions,
            metrics,
            stop,
            task,
        }
    }

    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon("an answer", stream.read_to_string(&mut answer))
            .await
            .unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ))
        .await
    }
}

#[tokio::test]
async fn is_alive_from_the_start() {
    let status = Status::start().await;
    assert!(status.get("/livez").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn is_not_ready_and_says_what_is_missing() {
    let status = Status::start().await;
    status.conditions.certificate.set(true);
    status.conditions.ca_bundle.set(true);
    let answer = status.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("- waiting for a valid configuration in the ConfigMaps;"),
        "{answer}"
    );
    assert!(!answer.contains("certificate"), "{answer}");
}

#[tokio::test]
async fn is_ready_when_nothing_is_missing_until_it_drains() {
    let status = Status::start().await;
    let conditions = &status.conditions;
    for condition in [
        &conditions.certificate,
        &conditions.configuration,
        &conditions.ca_bundle,
    ] {
        condition.set(true);
    }
    assert!(status.get("/readyz").await.starts_with("HTTP/1.1 200"));
    status.readiness.drain();
    let answer = status.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(status.get("/livez").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn shows_the_metrics() {
    let status = Status::start().await;
    status
        .metrics
        .review(ReviewOutcome::Injected, std::time::Duration::from_millis(1));
    let answer = status.get("/metrics").await;
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    assert!(
        answer.contains("\nsidecar_injection_success_total 1\n"),
        "{answer}"
    );
    assert!(answer.contains("\npillion_build_info{version="), "{answer}");
    assert!(
        answer.contains("\nprocess_resident_memory_bytes "),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn has_no_reviews() {
    let status = Status::start().await;
    let answer = status
        .send("POST /inject HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn ends_when_told_to() {
    let status = Status::start().await;
    let _idle = TcpStream::connect(status.address).await.unwrap();
    assert!(status.get("/livez").await.starts_with("HTTP/1.1 200"));
    status.stop.cancel();
    soon("the server's end", status.task).await.unwrap();
}
