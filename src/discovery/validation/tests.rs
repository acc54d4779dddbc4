use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::discovery::metrics::Metrics;

/// A port whose connections are pipes.
struct Served(Arc<Port<Router>>);

impl Served {
    fn new(limits: Limits) -> Self {
        let validation = Validation::with_limits(limits).unwrap();
        let metrics = Metrics::default().webhook_port().clone();
        Self(Arc::new(validation.port(Arc::default(), metrics)))
    }

    /// Sends the begin of a request, and says how much will follow in all.
    async fn send(&self, body: &[u8], length: usize) -> DuplexStream {
        let (mut client, server) = duplex(1 << 20);
        let port = Arc::clone(&self.0);
        tokio::spawn(async move { port.serve_one(server, false).await });
        let head = format!(
            "POST /validate HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(body).await.unwrap();
        client
    }

    async fn answer(&self, body: &[u8]) -> String {
        let mut client = self.send(body, body.len()).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn review_of(host: &str) -> Vec<u8> {
    let object = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"},
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": host}}]}]},
    });
    let request = json!({
        "uid": "1", "operation": "CREATE", "namespace": "shop", "object": object,
        "kind": {"group": "networking.istio.io", "version": "v1", "kind": "VirtualService"},
    });
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    review.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_a_review() {
    let served = Served::new(Limits::default());
    let good = served.answer(&review_of("a")).await;
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
    assert!(good.contains("\"allowed\":true"), "{good}");
    let bad = served.answer(&review_of("a b")).await;
    assert!(bad.contains("\"allowed\":false"), "{bad}");
    let none = served.answer(b"{}").await;
    assert!(none.starts_with("HTTP/1.1 400"), "{none}");
}

/// Eight callers that sent nothing but a head once kept all others out.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_keep_nobody_out() {
    let served = Served::new(Limits::default());
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(served.send(b"", 1000).await);
    }
    let answer = served.answer(&review_of("a")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_a_share_of_the_memory_for_bodies() {
    let served = Served::new(Limits {
        buffered_bytes: 64 << 10,
        ..Limits::default()
    });
    // Half of it is one address's.
    let answer = served.answer(&vec![b' '; 33 << 10]).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let answer = served.answer(&review_of("a")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_takes_too_much_memory() {
    let served = Served::new(Limits::default());
    let object = format!("[{}0]", "{\"\":0},".repeat(40_000));
    let review = format!(
        "{{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\", \"request\": {{\"uid\": \"1\", \
         \"operation\": \"CREATE\", \"kind\": {{\"group\": \"networking.istio.io\", \"kind\": \"Gateway\"}}, \
         \"object\": {object}}}}}"
    );
    let answer = served.answer(review.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
