use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::*;
use pillion_inject::{Action, Bypass, Guard, SkipReason};

static BUILTIN: LazyLock<Config> = LazyLock::new(|| Config::builtin().unwrap());

fn context() -> Context<'static> {
    Context {
        config: &BUILTIN,
        cluster_has_native_sidecars: true,
        path_env: &[],
    }
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-5d8f-",
            "labels": {"app": "web", "pod-template-hash": "5d8f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f", "controller": true}],
        },
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    })
}

fn review_of(object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "11f3-9c",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": object,
            "oldObject": null,
            "dryRun": false,
        },
    })
}

/// The usual review of the usual pod, after an edit.
fn edited(edit: impl FnOnce(&mut Value)) -> Value {
    let mut review = review_of(&pod());
    edit(&mut review);
    review
}

fn reviewed(review: &Value) -> ReviewResponse {
    super::review(review.to_string().as_bytes(), &context())
}

/// The `response` of an AdmissionReview of this version.
fn admission_response(response: &ReviewResponse, api_version: &str) -> Value {
    assert_eq!(response.http_status, 200);
    let review: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(review["apiVersion"], api_version);
    assert_eq!(review["kind"], "AdmissionReview");
    assert_eq!(review["response"]["uid"], "11f3-9c");
    review["response"].clone()
}

/// The usual pod with a response's patch applied.
fn patched(response: &ReviewResponse) -> Value {
    let admission = admission_response(response, "admission.k8s.io/v1");
    let patch = STANDARD
        .decode(admission["patch"].as_str().unwrap())
        .unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut pod = pod();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

/// Asserts that a review is denied with this code and a message that contains a text.
fn assert_denied(review: &Value, code: u16, outcome: ReviewOutcome, says: &str) {
    let response = reviewed(review);
    let admission = admission_response(&response, "admission.k8s.io/v1");
    assert_eq!(admission["allowed"], false);
    assert_eq!(admission["patch"], Value::Null);
    assert_eq!(admission["status"]["code"], code);
    assert_eq!(admission["status"]["status"], "Failure");
    let message = admission["status"]["message"].as_str().unwrap();
    assert!(message.contains(says), "{message}");
    assert_eq!(response.outcome, outcome);
}

/// Asserts that a body leads to an HTTP error with a Status.
fn assert_http_error(body: &[u8], reason: &'static str, says: &str) {
    let response = super::review(body, &context());
    assert_eq!(response.http_status, 400);
    assert!(matches!(response.outcome, ReviewOutcome::Failed(_)));
    assert_eq!(response.outcome.reason(), reason);
    let status: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(status["apiVersion"], "v1");
    assert_eq!(status["kind"], "Status");
    assert_eq!(status["code"], 400);
    let message = status["message"].as_str().unwrap();
    assert!(message.contains(says), "{message}");
}

#[test]
fn accepts_a_review_and_patches_the_pod() {
    let response = reviewed(&review_of(&pod()));
    let admission = admission_response(&response, "admission.k8s.io/v1");
    assert_eq!(admission["allowed"], true);
    assert_eq!(admission["patchType"], "JSONPatch");
    let injected = patched(&response);
    assert!(injected["metadata"]["annotations"]["sidecar.istio.io/status"].is_string());
    assert_eq!(response.outcome, ReviewOutcome::Injected);
}

#[test]
fn accepts_v1beta1_and_answers_in_it() {
    let review = edited(|review| review["apiVersion"] = "admission.k8s.io/v1beta1".into());
    let admission = admission_response(&reviewed(&review), "admission.k8s.io/v1beta1");
    assert_eq!(admission["allowed"], true);
    assert_eq!(admission["patchType"], "JSONPatch");
}

#[test]
fn says_what_the_review_is_about() {
    let subject = reviewed(&review_of(&pod())).subject;
    assert_eq!(
        subject,
        Subject {
            uid: "11f3-9c".to_owned(),
            namespace: "shop".to_owned(),
            name: "web-5d8f-".to_owned(),
            owner: "Deployment/web".to_owned(),
        }
    );
}

#[test]
fn takes_the_namespace_from_the_pod_where_the_request_has_none() {
    let review = edited(|review| {
        review["request"]["namespace"].take();
        review["request"]["object"]["metadata"]["namespace"] = "till".into();
    });
    assert_eq!(reviewed(&review).subject.namespace, "till");
}

#[test]
fn hands_the_paths_environment_on() {
    let env = [("ISTIO_META_NETWORK".to_owned(), "blue".to_owned())];
    let context = Context {
        path_env: &env,
        ..context()
    };
    let body = review_of(&pod()).to_string();
    let response = super::review(body.as_bytes(), &context);
    let patch = admission_response(&response, "admission.k8s.io/v1")["patch"].take();
    let patch = STANDARD.decode(patch.as_str().unwrap()).unwrap();
    assert!(
        String::from_utf8(patch)
            .unwrap()
            .contains(r#""value":"blue""#)
    );
}

#[test]
fn allows_a_skipped_pod_untouched_with_its_warnings() {
    let review = edited(|review| {
        review["request"]["object"]["spec"]["hostNetwork"] = true.into();
    });
    let response = reviewed(&review);
    let admission = admission_response(&response, "admission.k8s.io/v1");
    assert_eq!(admission["allowed"], true);
    assert_eq!(admission.get("patch"), None);
    assert_eq!(admission.get("patchType"), None);
    assert_eq!(response.outcome, ReviewOutcome::Skipped("host_network"));
    let warnings = admission["warnings"].as_array().unwrap();
    assert!(
        warnings[0].as_str().unwrap().contains("hostNetwork"),
        "{warnings:?}"
    );
}

#[test]
fn allows_other_operations_untouched() {
    for operation in ["UPDATE", "DELETE", "CONNECT"] {
        let review = edited(|review| review["request"]["operation"] = operation.into());
        let response = reviewed(&review);
        let admission = admission_response(&response, "admission.k8s.io/v1");
        assert_eq!(admission["allowed"], true, "{operation}");
        assert_eq!(admission.get("patch"), None, "{operation}");
        assert_eq!(response.outcome, ReviewOutcome::Skipped("operation"));
    }
}

#[test]
fn refuses_an_injected_pod_with_409_conflict() {
    let injected = patched(&reviewed(&review_of(&pod())));
    let again = review_of(&injected);
    let outcome = ReviewOutcome::Refused("already_injected");
    assert_denied(&again, 409, outcome, "kube-uninject");
    let admission = admission_response(&reviewed(&again), "admission.k8s.io/v1");
    assert_eq!(admission["status"]["reason"], "Conflict");
}

#[test]
fn forbids_what_a_guard_refuses_and_tells_the_rest() {
    let review = edited(|review| {
        let pod = &mut review["request"]["object"];
        pod["spec"]["initContainers"] = json!([{"name": "istio-init", "image": "my/init:1"}]);
        pod["spec"]["securityContext"] = json!({"runAsUser": 1337});
    });
    let outcome = ReviewOutcome::Refused("guard");
    assert_denied(&review, 403, outcome, "initContainerOverride=false");
    let response = reviewed(&review);
    let admission = admission_response(&response, "admission.k8s.io/v1");
    assert_eq!(admission["status"]["reason"], "Forbidden");
    let warnings = admission["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let found = [
        (Guard::InitContainerOverride, Action::Refused),
        (Guard::ApplicationAsProxyUser, Action::Warned),
    ];
    let found = found.map(|(guard, action)| Bypass { guard, action });
    assert_eq!(response.bypasses, found);
}

#[test]
fn hands_on_what_a_guard_let_pass() {
    let review = edited(|review| {
        review["request"]["object"]["spec"]["securityContext"] = json!({"runAsUser": 1337});
    });
    let response = reviewed(&review);
    assert_eq!(response.outcome, ReviewOutcome::Injected);
    let found = Bypass {
        guard: Guard::ApplicationAsProxyUser,
        action: Action::Warned,
    };
    assert_eq!(response.bypasses, [found]);
    let warnings = &admission_response(&response, "admission.k8s.io/v1")["warnings"];
    assert!(warnings[0].as_str().unwrap().contains("1337"), "{warnings}");
}

#[test]
fn rejects_an_empty_body() {
    assert_http_error(b"", "empty_body", "the body is empty");
}

#[test]
fn rejects_broken_json_and_names_the_place() {
    assert_http_error(b"{\"kind\": ", "bad_json", "line 1 column 9");
    assert_http_error(b"\xff\xfe", "bad_json", "not JSON");
}

#[test]
fn rejects_json_nested_too_deeply() {
    assert_http_error(
        "[".repeat(100_000).as_bytes(),
        "bad_json",
        "recursion limit",
    );
}

#[test]
fn rejects_json_that_is_no_review() {
    for body in [
        "null",
        "[]",
        "7",
        "{}",
        r#"{"kind":"AdmissionReview"}"#,
        r#"{"kind":["AdmissionReview"]}"#,
    ] {
        assert_http_error(body.as_bytes(), "not_a_review", "not an AdmissionReview");
    }
    let pod = pod().to_string();
    assert_http_error(
        pod.as_bytes(),
        "not_a_review",
        r#"its apiVersion is "v1", its kind "Pod""#,
    );
}

#[test]
fn rejects_a_version_that_is_not_spoken() {
    let review = edited(|review| review["apiVersion"] = "admission.k8s.io/v2".into());
    let body = review.to_string();
    assert_http_error(
        body.as_bytes(),
        "unsupported_version",
        "admissionReviewVersions",
    );
}

#[test]
fn rejects_a_review_without_a_request() {
    for request in [Value::Null, json!("request"), json!([])] {
        let body = edited(|review| review["request"] = request).to_string();
        assert_http_error(body.as_bytes(), "no_request", "request");
    }
    let mut review = review_of(&pod());
    review.as_object_mut().unwrap().remove("request");
    assert_http_error(
        review.to_string().as_bytes(),
        "no_request",
        "has no request",
    );
}

#[test]
fn rejects_a_review_without_a_uid() {
    for uid in [Value::Null, json!(""), json!(17)] {
        let body = edited(|review| review["request"]["uid"] = uid).to_string();
        assert_http_error(body.as_bytes(), "no_uid", "uid");
    }
}

#[test]
fn denies_a_review_without_an_object() {
    let null = edited(|review| review["request"]["object"] = Value::Null);
    assert_denied(
        &null,
        400,
        ReviewOutcome::Failed(Failure::NoObject),
        "request.object is missing",
    );
    let missing = edited(|review| {
        review["request"].as_object_mut().unwrap().remove("object");
    });
    assert_denied(
        &missing,
        400,
        ReviewOutcome::Failed(Failure::NoObject),
        "request.object is missing",
    );
}

#[test]
fn denies_an_object_that_is_no_object() {
    let review = edited(|review| review["request"]["object"] = json!("pod"));
    assert_denied(
        &review,
        400,
        ReviewOutcome::Failed(Failure::NotAPod),
        "is not an object",
    );
}

#[test]
fn denies_an_object_of_another_kind() {
    let outcome = ReviewOutcome::Failed(Failure::NotAPod);
    let service = edited(|review| review["request"]["object"]["kind"] = "Service".into());
    assert_denied(
        &service,
        400,
        outcome,
        r#"request.object.kind is "Service", not "Pod""#,
    );
    let version = edited(|review| review["request"]["object"]["apiVersion"] = "v2".into());
    assert_denied(
        &version,
        400,
        outcome,
        r#"request.object.apiVersion is "v2""#,
    );
}

#[test]
fn denies_a_request_for_another_kind() {
    let outcome = ReviewOutcome::Failed(Failure::NotAPod);
    let review = edited(|review| {
        review["request"]["kind"] = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    });
    assert_denied(&review, 400, outcome, r#"request.kind.group is "apps""#);
    let binding = edited(|review| review["request"]["kind"]["kind"] = "Binding".into());
    assert_denied(&binding, 400, outcome, r#"request.kind.kind is "Binding""#);
}

#[test]
fn denies_a_request_without_a_namespace() {
    let review = edited(|review| {
        review["request"]["namespace"].take();
    });
    assert_denied(
        &review,
        400,
        ReviewOutcome::Failed(Failure::NoNamespace),
        "namespace",
    );
}

#[test]
fn denies_an_operation_of_a_wrong_type() {
    let review = edited(|review| review["request"]["operation"] = json!(["CREATE"]));
    assert_denied(
        &review,
        400,
        ReviewOutcome::Failed(Failure::BadOperation),
        "operation",
    );
}

#[test]
fn denies_a_pod_with_wrong_types_inside() {
    let wrong: [(&str, Value, &str); 6] = [
        ("/spec", json!("text"), "spec"),
        ("/spec/containers", json!({}), "spec.containers"),
        ("/spec/containers/0", json!(1), "spec.containers[0]"),
        (
            "/spec/containers/0/name",
            json!(1),
            "spec.containers[0].name",
        ),
        ("/metadata", json!([]), "metadata"),
        ("/metadata/labels", json!({"app": 1}), "metadata.labels"),
    ];
    for (pointer, value, says) in wrong {
        let review = edited(|review| {
            *review["request"]["object"].pointer_mut(pointer).unwrap() = value;
        });
        assert_denied(&review, 422, ReviewOutcome::Refused("invalid_pod"), says);
    }
}

#[test]
fn keeps_a_hostile_value_out_of_its_message() {
    let long = "x".repeat(10_000);
    let review = edited(|review| review["request"]["object"]["kind"] = long.into());
    let message = reviewed(&review).message;
    assert!(message.len() < 300, "{message}");
}

fn review_injected_by(inject: Inject) -> ReviewResponse {
    review_with(review_of(&pod()).to_string().as_bytes(), &context(), inject)
}

#[test]
fn survives_a_panic_and_denies_the_pod() {
    let response = review_injected_by(|_, _| panic!("out of cheese"));
    let admission = admission_response(&response, "admission.k8s.io/v1");
    assert_eq!(admission["allowed"], false);
    assert_eq!(admission["status"]["code"], 500);
    assert_eq!(admission["status"]["reason"], "InternalError");
    assert_eq!(response.outcome, ReviewOutcome::Failed(Failure::Panic));
    assert!(!response.message.contains("cheese"));
}

#[test]
fn sends_warnings_that_fit_into_headers() {
    let response = review_injected_by(|_, _| {
        Ok(Outcome::Skipped {
            reason: SkipReason::HostNetwork,
            warnings: vec!["two\nlines".to_owned(), "w".repeat(300)],
        })
    });
    let warnings = &admission_response(&response, "admission.k8s.io/v1")["warnings"];
    assert_eq!(warnings[0], "two lines");
    assert_eq!(warnings[1].as_str().unwrap().chars().count(), 256);
}

#[test]
fn names_the_kubernetes_reason_of_each_code() {
    let refusals: [(Inject, u16, &str); 3] = [
        (
            |_, _| Err(Refusal::AlreadyInjected("a".to_owned())),
            409,
            "Conflict",
        ),
        (
            |_, _| Err(Refusal::Unsupported("b".to_owned())),
            422,
            "Invalid",
        ),
        (
            |_, _| Err(Refusal::Template("c".to_owned())),
            500,
            "InternalError",
        ),
    ];
    for (inject, code, reason) in refusals {
        let admission = admission_response(&review_injected_by(inject), "admission.k8s.io/v1");
        assert_eq!(admission["status"]["code"], code);
        assert_eq!(admission["status"]["reason"], reason);
    }
}
