//! What an injection makes of a pod is a pod to a real API server.

use axum::http::Request;
use kube::Client;
use pillion_envtest::ControlPlane;
use pillion_grammar::pods;
use pillion_inject::{
    Refusal,
    test_util::{injection, patched},
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::OPTED_OUT;

/// Some pods, the same ones in every run.
fn sample(count: usize) -> Vec<Value> {
    let mut runner = TestRunner::deterministic();
    let pods = pods::pod();
    (0..count)
        .map(|_| pods.new_tree(&mut runner).expect("a pod").current())
        .collect()
}

/// Creates a pod without keeping it. Fields that the API server doesn't know
/// are errors, too.
async fn try_to_create(
    client: &Client,
    namespace: &str,
    pod: &Value,
) -> Result<Value, kube::Error> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict");
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(pod.to_string().into_bytes())
        .expect("a request");
    client.request(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_what_an_injection_makes_of_any_pod() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("dry-run", OPTED_OUT).await.unwrap();
    let client = plane.client().await.unwrap();
    let mut tried = 0;
    let mut faults = Vec::new();
    for (number, pod) in sample(150).into_iter().enumerate() {
        let injection = match injection(&pod, number % 2 == 0) {
            Ok(injection) => injection,
            // Two good annotations that don't go together.
            Err(Refusal::InvalidAnnotations(_)) => continue,
            Err(refusal) => panic!("{refusal}: {pod}"),
        };
        let injected = patched(&pod, &injection);
        tried += 1;
        if let Err(error) = try_to_create(&client, &namespace, &injected).await {
            faults.push(format!("{error}\nbefore: {pod}\nafter: {injected}"));
        }
    }
    assert!(tried > 60, "only {tried} pods were injected");
    assert!(
        faults.is_empty(),
        "{} of {tried}:\n{}",
        faults.len(),
        faults.join("\n\n")
    );
}

/// Were the pods not valid before, the API server would be no judge of what
/// the injection adds.
#[tokio::test(flavor = "multi_thread")]
async fn accepts_the_pods_before_their_injection() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("dry-run", OPTED_OUT).await.unwrap();
    let client = plane.client().await.unwrap();
    for pod in sample(50) {
        // A part of a proxy is no container by itself.
        let is_whole = |container: &Value| !container["image"].is_null();
        if pod["spec"]["containers"]
            .as_array()
            .unwrap()
            .iter()
            .all(is_whole)
        {
            let result = try_to_create(&client, &namespace, &pod).await;
            assert!(result.is_ok(), "{result:?}: {pod}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_a_field_that_is_no_pods() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("dry-run", OPTED_OUT).await.unwrap();
    let client = plane.client().await.unwrap();
    let mut pod = sample(1).remove(0);
    pod["spec"]["madeUp"] = Value::Null;
    let error = try_to_create(&client, &namespace, &pod).await.unwrap_err();
    assert!(error.to_string().contains("madeUp"), "{error}");
}
