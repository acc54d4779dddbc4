//! What a caller gets for what is no proper review. The review's own faults
//! are tested one by one beside the code; here is what HTTP adds, and that
//! each of them comes out of the server as it should.

use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use pillion::webhook::Limits;
use serde_json::{Value, json};

use super::{
    client::{Caller, Raw, ask, post},
    server::{Server, review},
};

fn edited(edit: impl FnOnce(&mut Value)) -> String {
    let mut review = review();
    edit(&mut review["request"]);
    review.to_string()
}

#[tokio::test]
async fn rejects_an_empty_body() {
    let server = Server::start().await;
    let answer = ask(&server, "/inject", "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.message().contains("the body is empty"));
}

#[tokio::test]
async fn rejects_another_content_type() {
    let server = Server::start().await;
    let request = post("/inject", "text/yaml", review().to_string());
    let answer = Caller::http1(&server).await.send(request).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(answer.message().contains("application/json"));
}

#[tokio::test]
async fn rejects_a_missing_content_type() {
    let server = Server::start().await;
    let mut request = post("/inject", "application/json", review().to_string());
    request.headers_mut().remove(CONTENT_TYPE);
    let answer = Caller::http1(&server).await.send(request).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn accepts_a_charset_after_the_content_type() {
    let server = Server::start().await;
    let request = post(
        "/inject",
        "application/json; charset=utf-8",
        review().to_string(),
    );
    Caller::http1(&server)
        .await
        .send(request)
        .await
        .assert_injected();
}

#[tokio::test]
async fn rejects_a_body_that_says_it_is_too_long_without_reading_it() {
    let server = Server::start().await;
    let mut caller = Raw::open(&server).await;
    caller.send_head(3 * 1024 * 1024 + 1).await;
    let answer = caller.answer().await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("longer than 3145728 bytes"), "{answer}");
}

#[tokio::test]
async fn rejects_a_body_that_turns_out_too_long() {
    let server = Server::limited(Limits {
        body_bytes: 1000,
        ..Limits::default()
    })
    .await;
    let mut caller = Raw::open(&server).await;
    caller
        .send(
            "POST /inject HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
        )
        .await;
    caller.send(format!("1f4\r\n{}\r\n", "x".repeat(500))).await;
    caller.send(format!("1f5\r\n{}\r\n", "x".repeat(501))).await;
    let answer = caller.answer().await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn rejects_a_body_that_is_too_long_over_http2() {
    let server = Server::limited(Limits {
        body_bytes: 1000,
        ..Limits::default()
    })
    .await;
    let mut caller = Caller::http2(&server).await;
    let answer = caller.post("/inject", vec![b'x'; 1001]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    caller
        .post("/inject", review().to_string())
        .await
        .assert_injected();
}

#[tokio::test]
async fn rejects_broken_json() {
    let server = Server::start().await;
    let answer = ask(&server, "/inject", "{\"kind\": ").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.message().contains("not JSON"));
}

#[tokio::test]
async fn rejects_json_that_is_no_review() {
    let server = Server::start().await;
    let answer = ask(&server, "/inject", r#"{"kind":"Pod","apiVersion":"v1"}"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.message().contains("not an AdmissionReview"));
}

#[tokio::test]
async fn rejects_a_review_without_a_request() {
    let server = Server::start().await;
    let body = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}"#;
    let answer = ask(&server, "/inject", body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.message().contains("has no request"));
}

#[tokio::test]
async fn denies_an_object_that_is_no_pod() {
    let server = Server::start().await;
    let body = edited(|request| request["object"] = json!({"apiVersion": "v1", "kind": "Service"}));
    let answer = ask(&server, "/inject", body).await.json();
    assert_eq!(answer["response"]["uid"], "7c9d-44");
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 400);
}

#[tokio::test]
async fn denies_a_pod_with_wrong_types_inside() {
    let server = Server::start().await;
    let body = edited(|request| request["object"]["spec"]["containers"] = json!({"a": 1}));
    let answer = ask(&server, "/inject", body).await.json();
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 422);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("spec.containers"), "{message}");
}

#[tokio::test]
async fn rejects_a_pod_that_would_take_too_much_memory() {
    let server = Server::start().await;
    let body = edited(|request| {
        request["object"]["spec"]["volumes"] = vec![json!({"name": "v"}); 100_000].into();
    });
    assert!(body.len() < Limits::default().body_bytes);
    let answer = ask(&server, "/inject", body).await.json();
    assert_eq!(answer["response"]["uid"], "7c9d-44");
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 413);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("3 MiB"), "{message}");
}

#[tokio::test]
async fn accepts_a_container_with_very_many_variables() {
    let server = Server::start().await;
    // As API servers write it, a container's name comes first.
    let container = format!(
        "{{\"name\":\"app\",\"env\":[{}]}}",
        vec!["{\"name\":\"V\"}"; 100_000].join(",")
    );
    let body = edited(|request| request["object"]["spec"]["containers"] = json!(["CONTAINER"]))
        .replace("\"CONTAINER\"", &container);
    ask(&server, "/inject", body).await.assert_injected();
}

#[tokio::test]
async fn rejects_another_method_and_names_the_right_one() {
    let server = Server::start().await;
    let request = Request::get("https://127.0.0.1/inject")
        .body(Full::default())
        .unwrap();
    let answer = Caller::http1(&server).await.send(request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers[ALLOW], "POST");
    assert!(answer.message().contains("POST"));
}

#[tokio::test]
async fn rejects_another_path() {
    let server = Server::start().await;
    for path in ["/", "/injected", "/metrics", "/v1/inject"] {
        let answer = ask(&server, path, review().to_string()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.message().contains("/inject"));
    }
}

#[tokio::test]
async fn rejects_a_path_with_a_bad_variable() {
    let server = Server::start().await;
    let answer = ask(&server, "/inject/a=b/c", review().to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.message().contains("\"a=b\""));
}

#[tokio::test]
async fn accepts_the_paths_that_api_servers_call() {
    let server = Server::start().await;
    for path in [
        "/inject?timeout=10s",
        "/inject/",
        "/inject/cluster/c%201/net/n?timeout=10s",
    ] {
        ask(&server, path, review().to_string())
            .await
            .assert_injected();
    }
}

#[tokio::test]
async fn answers_500_until_there_is_a_configuration() {
    let server = Server::unconfigured(Limits::default()).await;
    let mut caller = Caller::http1(&server).await;
    let early = caller.post("/inject", review().to_string()).await;
    // An API server would try a 503 again until its time is up.
    assert_eq!(early.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!early.headers.contains_key("retry-after"));
    assert!(early.message().contains("ConfigMaps"));
    server
        .current
        .replace(pillion_inject::Config::builtin().unwrap());
    caller
        .post("/inject", review().to_string())
        .await
        .assert_injected();
}

#[tokio::test]
async fn counts_what_it_rejects() {
    let server = Server::start().await;
    ask(&server, "/inject", "").await;
    ask(&server, "/inject", review().to_string()).await;
    server
        .until_metric(r#"pillion_injection_reviews_total{outcome="failed",reason="empty_body"} 1"#)
        .await;
    server
        .until_metric("sidecar_injection_requests_total 2")
        .await;
    server
        .until_metric("sidecar_injection_failure_total 1")
        .await;
    server
        .until_metric("sidecar_injection_success_total 1")
        .await;
}

#[tokio::test]
async fn serves_a_caller_whatever_others_send() {
    let server = Server::start().await;
    let mut good = Caller::http1(&server).await;
    good.post("/inject", review().to_string())
        .await
        .assert_injected();

    let mut no_http = Raw::open(&server).await;
    no_http.send([0u8; 100]).await;
    assert!(no_http.closed().await.starts_with("HTTP/1.1 400"));

    let mut no_tls = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut no_tls, b"POST /inject HTTP/1.1\r\n\r\n")
        .await
        .unwrap();

    let mut breaks_off = Raw::open(&server).await;
    breaks_off.send_head(1000).await;
    server.until_in_flight(1).await;
    drop(breaks_off);
    server.until_in_flight(0).await;

    ask(&server, "/inject", "[".repeat(1_000_000)).await;

    // Still the same connection.
    good.post("/inject", review().to_string())
        .await
        .assert_injected();
}

#[tokio::test]
async fn serves_a_stream_whatever_its_neighbours_send() {
    let server = Server::start().await;
    let Caller::Http2(caller) = Caller::http2(&server).await else {
        unreachable!()
    };
    let mut streams = Vec::new();
    for number in 0..60 {
        let (mut caller, is_good) = (Caller::Http2(caller.clone()), number % 3 == 0);
        streams.push(tokio::spawn(async move {
            if is_good {
                caller
                    .post("/inject", review().to_string())
                    .await
                    .assert_injected();
            } else {
                let answer = caller.post("/inject", "{").await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            }
        }));
    }
    for stream in streams {
        stream.await.unwrap();
    }
}
