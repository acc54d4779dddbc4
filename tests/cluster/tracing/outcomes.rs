//! What spans say of requests that go wrong, and of gRPC.

use crate::harness::{Namespace, Span, Store, eventually, parent, sampling};

/// A namespace of which everything is traced, with `sleep`, httpbin and the gRPC echo.
async fn traced() -> Option<(Namespace, Store)> {
    let shop = Namespace::injected("outcomes").await?;
    let store = Store::jaeger(&shop).await;
    shop.apply(&sampling(100.0)).await;
    let samples = [
        "sleep/sleep.yaml",
        "httpbin/httpbin.yaml",
        "grpc-echo/grpc-echo.yaml",
    ];
    shop.apply_samples(&samples).await;
    shop.wait_for_deployments().await;
    let service = format!("httpbin.{}", shop.name());
    eventually("both sides trace", async || {
        status(&shop, "settled", "/get").await;
        let traces = store.traces(&shop, &service).await?;
        traces.iter().any(|trace| trace.len() == 2).then_some(())
    })
    .await;
    Some((shop, store))
}

/// The status that `sleep` gets of a path of httpbin, which is marked by its query.
async fn status(shop: &Namespace, mark: &str, path: &str) -> String {
    let url = format!("http://httpbin:8000{path}?mark={mark}");
    let curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", &url];
    shop.exec_in("deploy/sleep", "sleep", &curl).await
}

/// The spans of a marked request: the client's, and the server's.
async fn spans(shop: &Namespace, store: Store, mark: &str, servers: usize) -> (Span, Vec<Span>) {
    let mark = format!("?mark={mark}");
    spans_with(shop, store, ("http.url", &mark), servers).await
}

async fn spans_with(
    shop: &Namespace,
    store: Store,
    tag: (&str, &str),
    servers: usize,
) -> (Span, Vec<Span>) {
    let service = format!("sleep.{}", shop.name());
    let trace = store.trace_with(shop, &service, tag, servers + 1).await;
    let client = trace.iter().find(|span| span.kind == "client");
    let client = client.unwrap().clone();
    assert_eq!(client.service, service, "{trace:#?}");
    let servers = trace.iter().filter(|span| span.kind == "server");
    let servers: Vec<_> = servers.cloned().collect();
    for server in &servers {
        assert_eq!(parent(&trace, server), Some(&client), "{trace:#?}");
    }
    (client, servers)
}

const RULES: &str = r"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: httpbin
spec:
  hosts: [httpbin]
  http:
  - match: [{uri: {prefix: /delay}}]
    timeout: 300ms
    retries: {attempts: 0}
    route: [{destination: {host: httpbin}}]
  - match: [{uri: {exact: /status/418}}]
    retries: {attempts: 0}
    route: [{destination: {host: httpbin}}]
  - retries: {attempts: 2, retryOn: 5xx}
    route: [{destination: {host: httpbin}}]
";

#[tokio::test]
async fn spans_say_what_became_of_requests() {
    let Some((shop, store)) = traced().await else {
        return;
    };
    shop.apply(RULES).await;
    eventually("the rules are in force", async || {
        (status(&shop, "delayed", "/delay/3").await == "504").then_some(())
    })
    .await;
    let cluster = format!("outbound|8000||httpbin.{}.svc.cluster.local", shop.name());

    assert_eq!(status(&shop, "good-1", "/get").await, "200");
    let (client, servers) = spans(&shop, store, "good-1", 1).await;
    assert_eq!(client.tags["upstream_cluster"], cluster);
    assert_eq!(client.tags["http.method"], "GET");
    assert!(
        client.tags["http.url"].ends_with("/get?mark=good-1"),
        "{client:#?}"
    );
    assert_eq!(servers[0].tags["upstream_cluster"], "inbound|8080||");
    for span in servers.iter().chain([&client]) {
        assert_eq!(span.tags["http.status_code"], "200");
        assert!(!span.tags.contains_key("error"), "{span:#?}");
    }

    // A client's mistake is no error of the mesh.
    assert_eq!(status(&shop, "teapot-1", "/status/418").await, "418");
    let (client, _) = spans(&shop, store, "teapot-1", 1).await;
    assert_eq!(client.tags["http.status_code"], "418");
    assert!(!client.tags.contains_key("error"), "{client:#?}");

    // One span of the client for all its attempts, and one of the server for each.
    assert_eq!(status(&shop, "retried-1", "/status/503").await, "503");
    let (client, servers) = spans(&shop, store, "retried-1", 3).await;
    assert_eq!(client.tags["response_flags"], "URX", "{client:#?}");
    for span in servers.iter().chain([&client]) {
        assert_eq!(span.tags["http.status_code"], "503");
        assert_eq!(span.tags["error"], "true", "{span:#?}");
    }

    assert_eq!(status(&shop, "late-1", "/delay/3").await, "504");
    let (client, _) = spans(&shop, store, "late-1", 1).await;
    assert_eq!(client.tags["response_flags"], "UT", "{client:#?}");
    assert_eq!(client.tags["http.status_code"], "504");
    assert_eq!(client.tags["error"], "true");
    assert!(client.duration >= 300_000, "{client:#?}");

    shop.kubectl(&["scale", "deployment/httpbin", "--replicas=0"])
        .await;
    // A pod that is ending answers 503, too.
    let gone = [
        "wait",
        "--for=delete",
        "pod",
        "-l",
        "app=httpbin",
        "--timeout=2m",
    ];
    shop.kubectl(&gone).await;
    eventually("nobody is there", async || {
        let curl = ["curl", "-s", "http://httpbin:8000/get?mark=none-0"];
        let body = shop.exec_in("deploy/sleep", "sleep", &curl).await;
        body.contains("no healthy upstream").then_some(())
    })
    .await;
    assert_eq!(status(&shop, "none-1", "/get").await, "503");
    let (client, _) = spans(&shop, store, "none-1", 0).await;
    assert_eq!(client.tags["response_flags"], "UH", "{client:#?}");
    assert_eq!(client.tags["error"], "true");
}

#[tokio::test]
async fn grpc_calls_are_spans_with_their_status() {
    let Some((shop, store)) = traced().await else {
        return;
    };
    // Its 14th digit says that it is traced.
    let ends = |number: usize| format!("000-8000-00000000000{number}");
    let call = async |number: usize, options: &[&str]| {
        let field = format!("x-request-id: 6e1c6f2e-0000-4{}", ends(number));
        let call = [
            "pillion-samples",
            "grpc-call",
            "grpc-echo:7070",
            "-H",
            &field,
        ];
        let exec = ["exec", "deploy/sleep", "-c", "sleep", "--"];
        let all = [&exec[..], &call, options].concat();
        let output = shop.command(&all).output().await;
        output.unwrap().status.success()
    };
    eventually("it answers", async || {
        call(0, &["unary"]).await.then_some(())
    })
    .await;
    let calls = [
        ("unary", "0", None),
        ("bidirectional", "0", None),
        // INTERNAL is an error of the server, NOT_FOUND an answer.
        ("unary", "13", Some("true")),
        ("unary", "5", None),
    ];
    for (number, (method, code, expected)) in (1..).zip(calls) {
        let has_ended_well = call(number, &[method, "--code", code]).await;
        assert_eq!(has_ended_well, code == "0", "{method} {code}");
        let id = ends(number);
        let (client, servers) = spans_with(&shop, store, ("guid:x-request-id", &id), 1).await;
        for span in servers.iter().chain([&client]) {
            assert_eq!(span.tags["grpc.status_code"], code, "{span:#?}");
            let error = span.tags.get("error").map(String::as_str);
            assert_eq!(error, expected, "{method} {code}: {span:#?}");
        }
        assert!(client.tags["grpc.path"].contains('/'), "{client:#?}");
    }
}
