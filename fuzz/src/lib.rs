//! What must hold for any review whatsoever.
//!
//! The fuzzer's bytes are a request's body as they are, or instructions to
//! spoil a proper pod (see [`pods`]): bytes alone hardly ever come to a pod
//! that gets as far as the templates.

mod pods;

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pillion::{
    metrics::{Failure, ReviewOutcome},
    webhook::review::{self, Answer, Context},
};
use pillion_inject::{self as inject, Config};
use serde_json::{Value, json};

static CONFIG: LazyLock<Config> =
    LazyLock::new(|| Config::builtin().expect("the built-in configuration"));

const UID: &str = "5f0c-a1";

/// Reviews what the bytes make, and holds the answer against what must be true
/// of every answer.
///
/// # Panics
///
/// When it is not true.
pub fn review(data: &[u8]) {
    // A body begins with `{`, which is odd.
    match data.split_first() {
        Some((mode, rest)) if mode.is_multiple_of(2) => review_pod(&pods::pod(rest), mode & 2 != 0),
        _ => review_bytes(data),
    }
}

fn ask(body: &[u8], native: bool) -> Answer {
    let path_env = [("ISTIO_META_CLUSTER_ID".to_owned(), "c1".to_owned())];
    let context = Context {
        config: &CONFIG,
        cluster_has_native_sidecars: native,
        path_env: &path_env,
    };
    let answer = review::review(body, &context);
    assert_ne!(answer.outcome, ReviewOutcome::Failed(Failure::Panic));
    answer
}

/// Any body gets an answer in JSON: an AdmissionReview, or a Status that says
/// what is wrong.
fn review_bytes(body: &[u8]) {
    let answer = ask(body, true);
    let json: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
    if answer.http_status != 200 {
        assert_eq!(json["kind"], "Status");
        assert_eq!(json["code"], answer.http_status);
        assert_ne!(json["message"], "");
        return;
    }
    assert_eq!(json["kind"], "AdmissionReview");
    assert_eq!(json["response"]["uid"], answer.subject.uid);
    let asked: Value = serde_json::from_slice(body).expect("what was answered can be read");
    assert_eq!(json["response"]["uid"], asked["request"]["uid"]);
    let pod = &asked["request"]["object"];
    if let Some(patched) = patched(pod, &json["response"]) {
        check_injected(pod, &patched);
    }
}

/// A pod that any review is made of gets an AdmissionReview for an answer, and
/// once injected is refused.
fn review_pod(pod: &Value, native: bool) {
    let response = response(pod, native);
    let Some(patched) = patched(pod, &response) else {
        return;
    };
    check_injected(pod, &patched);
    let again = self::response(&patched, native);
    assert_eq!(again["allowed"], false, "injected twice: {patched}");
    assert_eq!(again["status"]["code"], 409, "{again}");
}

fn response(pod: &Value, native: bool) -> Value {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": UID, "namespace": "shop", "operation": "CREATE", "object": pod},
    });
    let answer = ask(review.to_string().as_bytes(), native);
    assert_eq!(answer.http_status, 200);
    let mut answer: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
    assert_eq!(answer["response"]["uid"], UID);
    answer["response"].take()
}

/// The pod as the API server goes on with it; `None` when nothing was patched.
fn patched(pod: &Value, response: &Value) -> Option<Value> {
    let patch = response["patch"].as_str()?;
    assert_eq!(response["allowed"], true);
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = STANDARD.decode(patch).expect("a patch in base64");
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a JSON Patch");
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch).expect("a patch that applies");
    Some(patched)
}

/// A patched pod has its proxy and says so, and can be had back as it was.
fn check_injected(pod: &Value, patched: &Value) {
    let status = &patched["metadata"]["annotations"]["sidecar.istio.io/status"];
    assert!(status.is_string(), "no status: {patched}");
    let is_proxy = |container: &Value| container["name"] == "istio-proxy";
    let has_proxy = ["initContainers", "containers"]
        .iter()
        .filter_map(|list| patched["spec"][list].as_array())
        .any(|list| list.iter().any(is_proxy));
    assert!(has_proxy, "no proxy: {patched}");
    let back = inject::uninject(patched).expect("a record that can be read");
    assert_eq!(back.as_ref(), Some(pod), "taken back from {patched}");
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn holds_for_the_seeds() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/review");
        let mut count = 0;
        for seed in fs::read_dir(seeds).expect("the seeds") {
            review(&fs::read(seed.expect("a seed").path()).expect("a seed"));
            count += 1;
        }
        assert!(count >= 8, "only {count} seeds");
    }

    /// A fixed walk through the spoiled pods, for runs without a fuzzer.
    #[test]
    fn holds_for_a_thousand_spoiled_pods() {
        let mut injected = 0;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..1000 {
            let bytes: Vec<u8> = (0..96)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_be_bytes()[0]
                })
                .collect();
            let pod = pods::pod(&bytes);
            review_pod(&pod, bytes[0].is_multiple_of(2));
            injected += usize::from(response(&pod, true)["patch"].is_string());
        }
        // Neither spoiled beyond use nor left alone.
        assert!((100..900).contains(&injected), "{injected} injected");
    }
}
