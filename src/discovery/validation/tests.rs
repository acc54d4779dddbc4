use pillion_telemetry::{Format, logged};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Builder,
};

use super::*;
use crate::{
    discovery::{
        convert::{endpoints, pod, rule, service},
        metrics::Metrics,
        update::Update,
    },
    model::{Change, Event, MeshConfig, Model, StrictHosts},
};

/// A port whose connections are pipes.
struct Served {
    port: Arc<Port<Router>>,
    metrics: Arc<Metrics>,
}

impl Served {
    fn new(limits: Limits) -> Self {
        let metrics = Arc::<Metrics>::default();
        Self::of(Validation::with_limits(limits, metrics, Beside::default()).unwrap())
    }

    fn of(validation: Validation) -> Self {
        let metrics = Arc::clone(&validation.metrics);
        let port = Arc::new(validation.port(Arc::default()));
        Self { port, metrics }
    }

    /// How many reviews had a result.
    fn count(&self, result: &str) -> String {
        let text = self.metrics.encode();
        let start = format!("pillion_discovery_reviews_total{{result=\"{result}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap().to_owned()
    }

    /// Sends the begin of a request, and says how much will follow in all.
    async fn send(&self, body: &[u8], length: usize) -> DuplexStream {
        self.send_with("connection: close\r\n", body, length).await
    }

    async fn send_with(&self, fields: &str, body: &[u8], length: usize) -> DuplexStream {
        let (mut client, server) = duplex(1 << 20);
        let port = Arc::clone(&self.port);
        tokio::spawn(async move { port.serve_one(server, false).await });
        let head = format!(
            "POST /validate HTTP/1.1\r\nhost: a\r\n{fields}content-length: {length}\r\n\r\n"
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

/// The review of a request.
fn review(request: &Value) -> Vec<u8> {
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    review.to_string().into_bytes()
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
    review(&request)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_a_review() {
    let served = Served::new(limits());
    let good = served.answer(&review_of("a")).await;
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
    assert!(good.contains("\"allowed\":true"), "{good}");
    let bad = served.answer(&review_of("a b")).await;
    assert!(bad.contains("\"allowed\":false"), "{bad}");
    let none = served.answer(b"{}").await;
    assert!(none.starts_with("HTTP/1.1 400"), "{none}");
    for result in ["allowed", "refused", "failed"] {
        assert_eq!(served.count(result), "1", "{result}");
    }
}

/// `kubectl` shows it, when there is still time to do something about it.
#[tokio::test(flavor = "multi_thread")]
async fn warns_of_a_rule_that_servers_refuse() {
    let beside = Beside::default();
    let validation = Validation::with_limits(limits(), Arc::default(), beside.clone()).unwrap();
    let served = Served::of(validation);
    let object = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web"},
        "spec": {"host": "web", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
    });
    let request = json!({
        "uid": "1", "operation": "CREATE", "namespace": "shop", "object": object,
        "kind": {"group": "networking.istio.io", "version": "v1", "kind": "DestinationRule"},
    });
    let answer = served.answer(&review(&request)).await;
    assert!(!answer.contains("warnings"), "{answer}");
    beside.set(strict_web());
    let answer = served.answer(&review(&request)).await;
    assert!(answer.contains("\"allowed\":true"), "{answer}");
    let told =
        "tls.mode DISABLE is refused by the pods of web.shop.svc.cluster.local at the port 80";
    assert!(answer.contains(told), "{answer}");
}

/// A mesh whose pods of `shop/web` take only mutual TLS.
fn strict_web() -> StrictHosts {
    let mut model = Model::new();
    let strict = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": "all", "namespace": "shop"}, "spec": {"mtls": {"mode": "STRICT"}},
    });
    let strict = serde_json::from_value(strict).unwrap();
    let (strict, _) = rule::applied(pillion_api::Kind::PeerAuthentication, &strict).unwrap();
    let service = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.96.0.1", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    let slice = json!({
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"port": 8080}],
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web"}}],
    });
    let pod = json!({
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "istio-proxy"}]}, "status": {"podIPs": [{"ip": "10.0.0.1"}]},
    });
    let service = service::service(&serde_json::from_value(service).unwrap());
    let slice = endpoints::endpoint_slice(&serde_json::from_value(slice).unwrap());
    let pod = pod::pod(&serde_json::from_value(pod).unwrap());
    let Update::Object(strict) = strict else {
        panic!("{strict:?}");
    };
    let config = MeshConfig {
        mutual_tls: true,
        ..MeshConfig::default()
    };
    for event in [
        *strict,
        Event::Mesh(config),
        Event::Service(Change::Apply(service)),
        Event::Endpoints(Change::Apply(slice.unwrap())),
        Event::Pod(Change::Apply(pod.unwrap())),
    ] {
        _ = model.apply(event);
    }
    model.strict_hosts()
}

/// Eight callers that sent nothing but a head once kept all others out.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_keep_nobody_out() {
    let served = Served::new(limits());
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
        ..limits()
    });
    // Half of it is one address's.
    let answer = served.answer(&vec![b' '; 33 << 10]).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let answer = served.answer(&review_of("a")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The review of a Gateway with such an object, as an API server writes it.
fn review_of_text(object: &str) -> String {
    format!(
        "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"1\",\
         \"kind\":{{\"group\":\"networking.istio.io\",\"version\":\"v1\",\"kind\":\"Gateway\"}},\
         \"name\":\"big\",\"namespace\":\"shop\",\"operation\":\"CREATE\",\"object\":{object}}}}}"
    )
}

/// A refusal for its size, with an answer: without one, the API server may accept the object.
fn assert_is_too_large(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"uid\":\"1\""), "{answer}");
    assert!(answer.contains("\"allowed\":false"), "{answer}");
    assert!(answer.contains("\"code\":413"), "{answer}");
    assert!(answer.contains("Gateway shop/big: the "), "{answer}");
    assert!(
        answer.contains("split it into several Gateways"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_takes_too_much_memory() {
    let served = Served::new(limits());
    let object = format!("[{}0]", "{\"\":0},".repeat(40_000));
    let answer = served.answer(review_of_text(&object).as_bytes()).await;
    assert_is_too_large(&answer);
    assert_eq!(served.count("refused"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_body_that_is_too_large() {
    let served = Served::new(limits());
    let object = format!("\"{}\"", "a".repeat(LARGEST_REVIEW));
    let answer = served.answer(review_of_text(&object).as_bytes()).await;
    assert_is_too_large(&answer);
    assert_eq!(served.count("refused"), "1");
    // Nobody can tell which review this is.
    let answer = served.answer(object.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(served.count("failed"), "1");
}

/// The review of an update that leaves the spec as it is. The object can't work, and fills half of it.
fn review_of_labels(bytes: usize) -> Vec<u8> {
    let object = |label: &str| {
        let text = "a".repeat(bytes / 2);
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
            "metadata": {"name": "big", "labels": {"a": label}},
            "spec": {"selector": {"a": text}, "servers": [{"hosts": ["a b"]}]},
        })
    };
    let request = json!({
        "uid": "1", "operation": "UPDATE", "namespace": "shop", "name": "big",
        "object": object("now"), "oldObject": object("old"),
        "kind": {"group": "networking.istio.io", "version": "v1", "kind": "Gateway"},
    });
    review(&request)
}

/// Else, the finalizer of a large object that came in unreviewed could never be removed.
#[tokio::test(flavor = "multi_thread")]
async fn allows_a_large_update_that_leaves_the_spec_as_it_is() {
    let served = Served::new(limits());
    let answer = served.answer(&review_of_labels(4 << 20)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"allowed\":true"), "{answer}");
    assert!(answer.contains("this object is not applied"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_the_memory_for_two_of_the_largest_reviews() {
    let served = Served::new(Limits {
        body: Duration::from_secs(60),
        ..limits()
    });
    // All but the end of the first has been sent, and most of it was read.
    let body = vec![b' '; LARGEST_REVIEW];
    let _first = served.send(&body[1..], body.len()).await;
    let answer = served.answer(&body).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

/// The API server ignores what comes later.
#[test]
fn answers_come_within_the_time_that_the_api_server_waits() {
    let chart = "charts/pillion/templates/discovery/webhook.yaml";
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(chart);
    let chart = std::fs::read_to_string(chart).unwrap();
    let line = chart
        .lines()
        .find_map(|line| line.trim().strip_prefix("timeoutSeconds: "));
    let waits = Duration::from_secs(line.unwrap().parse().unwrap());
    assert!(limits().body < ANSWER && ANSWER < waits);
}

/// The time for the body and that for its turn may be more together than the API server waits.
#[tokio::test(start_paused = true)]
async fn a_review_that_waits_for_its_turn_is_answered_in_time() {
    let mut validation =
        Validation::with_limits(limits(), Arc::default(), Beside::default()).unwrap();
    // Nothing is reviewed.
    validation.pool = Pool::with_threads(0).unwrap();
    let served = Served::of(validation);
    let review = review_of("a");
    let start = Instant::now();
    let (begin, end) = review.split_at(1);
    let mut client = served.send(begin, review.len()).await;
    tokio::time::sleep(BODY - Duration::from_millis(100)).await;
    client.write_all(end).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let took = start.elapsed();
    let most = ANSWER + Duration::from_millis(100);
    assert!((ANSWER..most).contains(&took), "{took:?}");
}

/// An API server that waits in vain accepts the object, if its `failurePolicy` is `Ignore`.
#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_body_that_is_too_large_and_whose_rest_never_comes() {
    let served = Served::new(Limits {
        body: Duration::from_millis(100),
        ..limits()
    });
    let begin = review_of_text("\"");
    let mut client = served.send(begin.as_bytes(), LARGEST_REVIEW + 1).await;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_is_too_large(&answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_callers_that_do_not_wait_for_an_answer() {
    let limits = Limits {
        work: Duration::from_secs(3_600),
        ..limits()
    };
    let mut validation =
        Validation::with_limits(limits, Arc::default(), Beside::default()).unwrap();
    // Nothing is reviewed.
    validation.pool = Pool::with_threads(0).unwrap();
    let served = Served::of(validation);
    let review = review_of("a");
    // The end of a connection that may have more requests is seen while one is answered.
    let client = served.send_with("", &review, review.len()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(client);
    let counted = async {
        while served.count("failed") == "0" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), counted)
        .await
        .expect("the review is counted");
    assert_eq!(served.count("failed"), "1");
}

#[test]
fn logs_what_is_refused_and_what_failed() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let lines = logged(Format::Json, || {
        runtime.block_on(async {
            let served = Served::new(limits());
            served.answer(&review_of("a b")).await;
            for _ in 0..1_000 {
                served.answer(b"{}").await;
            }
        });
    });
    assert!(lines.contains("the webhook refused a rule"), "{lines}");
    assert!(
        lines.contains("\"message_to_user\":\"VirtualService in shop: spec."),
        "{lines}"
    );
    // A few for each second that this takes.
    let failed = lines.matches("a review of a rule failed").count();
    assert!((1..500).contains(&failed), "{failed}");
}
