//! The fuzz target for reviews.
//!
//! The input is a request's body, or instructions for a pod: a corrupted one, a large one,
//! or one of the known worst cases.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pillion::{
    metrics::{Failure, ReviewOutcome},
    webhook::review::{self, Context, ReviewResponse},
};
use pillion_cost::{Bound, Linear};
use pillion_grammar::{UID, cases::CASES, corrupted, large};
use pillion_inject as inject;
use serde_json::Value;

use crate::{
    configurations,
    units::{KIB, MIB, MILLISECOND},
};

/// For any body up to 3 MiB: several reviews are processed at once in a container with
/// 256 MiB.
pub(crate) const BOUND: Bound = Bound {
    // A mapping of one short member takes 640 bytes for 7, and there are three copies.
    peak: Linear::new(MIB, 384).at_most(16 * MIB),
    total: Linear::new(2 * MIB, 1024).at_most(64 * MIB),
    time: Linear::new(5 * MILLISECOND, 150).at_most(50 * MILLISECOND),
};

/// The API server accepts at most 3 MiB of a response.
///
/// The proxy's variable with the pod's ports has dozens of bytes for a port that was written
/// in three. It ends at the 128 KiB that Linux allows a variable, which escaped quotes and
/// base64 make two and a half times as many.
const ANSWER: Linear = Linear::new(384 * KIB, 4);

/// How a pod is reviewed.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    native: bool,
    config: usize,
}

impl Setup {
    /// The built-in configuration on a cluster with native sidecars.
    pub(crate) const PLAIN: Self = Self {
        native: true,
        config: 0,
    };

    fn of(mode: u8) -> Self {
        Self {
            native: mode & 2 != 0,
            config: usize::from(mode >> 2 & 3),
        }
    }
}

/// Processes the review that the input describes, and checks the response.
///
/// # Panics
///
/// Panics if a check fails.
pub fn review(data: &[u8]) {
    // A body begins with `{`, which is an odd number.
    match data.split_first() {
        Some((&mode, rest)) if mode.is_multiple_of(2) => {
            let setup = Setup::of(mode);
            match mode >> 4 & 3 {
                0 => review_pod(&corrupted::pod(rest).to_string(), setup),
                1 => review_pod(&case(rest), setup),
                _ => review_pod(&large::pod(rest), setup),
            };
        }
        _ => review_bytes(data),
    }
}

/// Returns a known case: the first byte selects it, and the second one its size.
fn case(bytes: &[u8]) -> String {
    let [which, size] = [0, 1].map(|index| bytes.get(index).copied().unwrap_or(u8::MAX));
    let case = &CASES[usize::from(which) % CASES.len()];
    case.pod(case.most >> (7 - size % 8))
}

/// Whether a pod has more parts than a review reads.
#[cfg(test)]
pub(crate) fn is_too_large(pod: &str) -> bool {
    let answer = ask(pillion_grammar::review(pod).as_bytes(), Setup::PLAIN);
    answer.outcome == ReviewOutcome::Failed(Failure::TooLarge)
}

fn ask(body: &[u8], setup: Setup) -> ReviewResponse {
    let path_env = [("ISTIO_META_CLUSTER_ID".to_owned(), "c1".to_owned())];
    let context = Context {
        config: &configurations::ALL[setup.config],
        cluster_has_native_sidecars: setup.native,
        path_env: &path_env,
    };
    let answer = BOUND.hold("a review", body.len(), || review::review(body, &context));
    assert_ne!(answer.outcome, ReviewOutcome::Failed(Failure::Panic));
    let length = answer.body.len();
    let most = usize::try_from(ANSWER.of(body.len())).expect("a length");
    assert!(
        length <= most,
        "{} bytes got an answer of {length}",
        body.len()
    );
    answer
}

/// Checks that the response to any body is JSON: an AdmissionReview, or a Status that says
/// what is wrong.
fn review_bytes(body: &[u8]) {
    let answer = ask(body, Setup::PLAIN);
    let json: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
    if answer.http_status != 200 {
        assert_eq!(json["kind"], "Status");
        assert_eq!(json["code"], answer.http_status);
        assert_ne!(json["message"], "");
        return;
    }
    assert_eq!(json["kind"], "AdmissionReview");
    assert_eq!(json["response"]["uid"], answer.subject.uid);
    // Only the structure of skipped parts is checked, and not the escapes in their strings.
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    assert_eq!(json["response"]["uid"], asked["request"]["uid"]);
    let pod = &asked["request"]["object"];
    if let Some(patched) = patched(pod, &json["response"]) {
        check_injected(pod, &patched);
    }
}

/// A pod that any review is made of gets an AdmissionReview for an answer, and
/// once injected is refused. Whether it was injected.
pub(crate) fn review_pod(pod: &str, setup: Setup) -> bool {
    let Some(response) = response(pod, setup) else {
        return false;
    };
    if !response["patch"].is_string() {
        return false;
    }
    // Parts that an injection skips may be nested deeper than serde_json reads.
    let Ok(pod) = serde_json::from_str::<Value>(pod) else {
        return true;
    };
    let Some(patched) = patched(&pod, &response) else {
        return false;
    };
    check_injected(&pod, &patched);
    if let Some(again) = self::response(&patched.to_string(), setup) {
        assert_eq!(
            again["allowed"],
            false,
            "injected twice: {}",
            Start(&patched)
        );
        // With the added parts, it may be more than a review reads. And its members are now
        // in another order: more is read of a container whose name comes late, and an error
        // in that is found first.
        let code = &again["status"]["code"];
        assert!(
            [409, 413, 422].iter().any(|known| code == known),
            "{}",
            Start(&again)
        );
    }
    true
}

fn response(pod: &str, setup: Setup) -> Option<Value> {
    let answer = ask(pillion_grammar::review(pod).as_bytes(), setup);
    // JSON that is nested too deeply is not a review.
    if answer.outcome == ReviewOutcome::Failed(Failure::BadJson) {
        return None;
    }
    assert_eq!(answer.http_status, 200);
    let mut answer: Value = serde_json::from_slice(&answer.body).expect("an answer in JSON");
    assert_eq!(answer["response"]["uid"], UID);
    Some(answer["response"].take())
}

/// Returns the pod with the response's patch applied; `None` if there is no patch.
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

/// Checks that a patched pod has its proxy and its record, and that uninjecting it restores
/// the original.
fn check_injected(pod: &Value, patched: &Value) {
    let status = &patched["metadata"]["annotations"]["sidecar.istio.io/status"];
    assert!(status.is_string(), "no status: {}", Start(patched));
    let is_proxy = |container: &Value| container["name"] == "istio-proxy";
    let has_proxy = ["initContainers", "containers"]
        .iter()
        .filter_map(|list| patched["spec"][list].as_array())
        .any(|list| list.iter().any(is_proxy));
    assert!(has_proxy, "no proxy: {}", Start(patched));
    let back = inject::uninject(patched).expect("a record that can be read");
    assert!(
        back.as_ref() == Some(pod),
        "not taken back: {}",
        Start(patched)
    );
}

/// The maximum length of a message.
struct Start<'a>(&'a Value);

impl std::fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        let most = text.floor_char_boundary(4000);
        f.write_str(&text[..most])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests a fixed sequence of corrupted pods, without a fuzzer.
    #[test]
    fn holds_for_a_thousand_corrupted_pods() {
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
            let pod = corrupted::pod(&bytes).to_string();
            injected += usize::from(review_pod(&pod, Setup::of(bytes[0])));
        }
        // Some pods are refused, and some are injected.
        assert!((100..900).contains(&injected), "{injected} injected");
    }
}
