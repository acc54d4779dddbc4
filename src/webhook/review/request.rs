//! Reading an AdmissionReview's request.
//!
//! Only five fields of the request and the parts of the pod that an injection uses
//! ([`PodPlan`]) are read; everything else is skipped. Reading takes a bounded amount of
//! memory, whatever the body contains.

use pillion_inject::{
    Config, PodPlan,
    json::{self, Account, Plan},
};
use serde_json::{Map, Value};

use crate::metrics::Failure;

/// The parts of a review that the response repeats and the log names.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) api_version: &'static str,
    pub(super) subject: Subject,
}

/// The object of a review, for the log. Fields that are not known are empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The review's uid.
    pub uid: String,
    /// The namespace of the pod.
    pub namespace: String,
    /// The pod's name, or its `generateName`.
    pub name: String,
    /// The workload that owns the pod, such as `Deployment/reviews-v1`.
    pub owner: String,
}

/// A review whose uid is known, so that the response can be an AdmissionReview.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) head: Head,
    pub(super) requested: Result<Requested, Fault>,
}

/// The requested operation.
#[derive(Debug)]
pub(super) enum Requested {
    /// To create this pod.
    Create(Value),
    /// Any other operation, such as an update or a deletion.
    Other,
}

/// What is wrong with a review.
#[derive(Debug)]
pub(super) struct Fault {
    /// The HTTP status code.
    pub(super) code: u16,
    /// Its kind, for the log and the metrics.
    pub(super) reason: Failure,
    /// The message to the caller.
    pub(super) message: String,
}

/// The supported versions. They don't differ in any field that is used here.
const VERSIONS: [&str; 2] = ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"];

/// The maximum length of a uid, which the response repeats. The API server's has 36.
const LONGEST_UID: usize = 128;

/// The maximum length of a namespace's name (an RFC 1123 label).
const LONGEST_NAMESPACE: usize = 63;

/// The memory limit, in bytes, for what is read of a pod. An injection takes up to four
/// times as much, because it edits a copy and checks that the edit can be undone. The
/// containers of the largest known pods take a tenth of it, without their environment
/// and mounts, which are not read.
pub(super) const MEMORY: usize = 3 * 1024 * 1024;

/// The memory limit, in bytes, for what is read of a review besides its pod.
const MEMORY_OF_REQUEST: usize = 64 * 1024;

/// What is read of a review.
#[derive(Debug, Clone, Copy)]
struct ReviewPlan<'a> {
    account: &'a Account,
    pod: PodPlan<'a>,
    part: Part<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Review,
    Request,
    Pod(PodPlan<'a>),
    Anything,
}

impl Plan for ReviewPlan<'_> {
    fn account(&self) -> &Account {
        match &self.part {
            Part::Pod(pod) => pod.account(),
            _ => self.account,
        }
    }

    fn member(self, key: &str, read: &Map<String, Value>) -> Option<Self> {
        let part = match (self.part, key) {
            (Part::Review, "apiVersion" | "kind") => Part::Anything,
            (Part::Review, "request") => Part::Request,
            (Part::Request, "uid" | "kind" | "namespace" | "name" | "operation") => Part::Anything,
            (Part::Request, "object") => Part::Pod(self.pod),
            (Part::Review | Part::Request, _) => return None,
            (Part::Pod(pod), _) => Part::Pod(pod.member(key, read)?),
            (Part::Anything, _) => Part::Anything,
        };
        Some(Self { part, ..self })
    }

    fn element(self) -> Self {
        let part = match self.part {
            Part::Pod(pod) => Part::Pod(pod.element()),
            _ => Part::Anything,
        };
        Self { part, ..self }
    }
}

impl Review {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// Returns an error if the uid can't be read, so that there can be no AdmissionReview
    /// in response.
    pub(super) fn read(body: &[u8], config: &Config) -> Result<Self, Fault> {
        let pod = Account::new(MEMORY);
        let (api_version, mut request) = envelope(body, config.pod_plan(&pod))?;
        let uid = take_string(&mut request, "uid").unwrap_or_default();
        if uid.is_empty() {
            return Err(fault(
                Failure::NoUid,
                "the AdmissionReview's request has no uid",
            ));
        }
        if uid.len() > LONGEST_UID {
            return Err(fault(
                Failure::BadUid,
                format!(
                    "the uid of the AdmissionReview's request is longer than {LONGEST_UID} bytes"
                ),
            ));
        }
        let mut subject = Subject {
            uid,
            ..Subject::default()
        };
        let requested = if pod.is_exceeded() {
            Err(too_large())
        } else {
            requested(&mut request, &mut subject)
        };
        let head = Head {
            api_version,
            subject,
        };
        Ok(Self { head, requested })
    }
}

/// Returns the version for the response, and the review's `request`.
fn envelope(body: &[u8], pod: PodPlan<'_>) -> Result<(&'static str, Map<String, Value>), Fault> {
    if body.is_empty() {
        return Err(fault(
            Failure::EmptyBody,
            "the body is empty: expected an AdmissionReview (admission.k8s.io/v1)",
        ));
    }
    let account = Account::new(MEMORY_OF_REQUEST);
    let plan = ReviewPlan {
        account: &account,
        pod,
        part: Part::Review,
    };
    let mut review = json::read(body, plan)
        .map_err(|error| fault(Failure::BadJson, format!("the body is not JSON: {error}")))?;
    let field = |key| review.get(key).unwrap_or(&Value::Null);
    let (kind, version) = (field("kind"), field("apiVersion"));
    if kind != "AdmissionReview"
        || !version
            .as_str()
            .is_some_and(|version| version.starts_with("admission.k8s.io/"))
    {
        return Err(fault(
            Failure::NotAReview,
            format!(
                "the body is not an AdmissionReview: its apiVersion is {}, its kind {}",
                quoted(version),
                quoted(kind)
            ),
        ));
    }
    let Some(api_version) = VERSIONS.into_iter().find(|known| version == known) else {
        return Err(fault(
            Failure::UnsupportedVersion,
            format!(
                "AdmissionReview version {} is not supported: set the webhook's admissionReviewVersions to [v1] or \
                 [v1beta1]",
                quoted(version)
            ),
        ));
    };
    match review.get_mut("request").map(Value::take) {
        Some(Value::Object(request)) => Ok((api_version, request)),
        None | Some(Value::Null) => Err(fault(
            Failure::NoRequest,
            "the AdmissionReview has no request",
        )),
        Some(_) => Err(fault(
            Failure::NoRequest,
            "the AdmissionReview's request is not an object",
        )),
    }
}

/// Reads the requested operation, and fills in the subject.
fn requested(request: &mut Map<String, Value>, subject: &mut Subject) -> Result<Requested, Fault> {
    subject.namespace = take_string(request, "namespace").unwrap_or_default();
    subject.name = take_string(request, "name").unwrap_or_default();
    match request.get("operation") {
        None | Some(Value::Null) => {}
        Some(Value::String(operation)) if operation == "CREATE" => {}
        Some(Value::String(_)) => return Ok(Requested::Other),
        Some(_) => {
            return Err(fault(
                Failure::BadOperation,
                "request.operation is not a string",
            ));
        }
    }
    if let Some(kind) = request.get("kind") {
        let pod = [("group", ""), ("version", "v1"), ("kind", "Pod")];
        check_kind("request.kind", kind, &pod)?;
    }
    let pod = match request.get_mut("object").map(Value::take) {
        Some(pod @ Value::Object(_)) => pod,
        None | Some(Value::Null) => {
            let text = "request.object is missing: expected a Pod";
            return Err(fault(Failure::NoObject, text));
        }
        Some(_) => {
            let text = "request.object is not an object: expected a Pod";
            return Err(fault(Failure::NotAPod, text));
        }
    };
    if subject.namespace.len() > LONGEST_NAMESPACE {
        let text = format!("request.namespace is longer than {LONGEST_NAMESPACE} bytes");
        return Err(fault(Failure::NoNamespace, text));
    }
    let of_pod = [("apiVersion", "v1"), ("kind", "Pod")];
    check_kind("request.object", &pod, &of_pod)?;
    describe(&pod, subject);
    if subject.namespace.is_empty() {
        let text = "request.namespace is missing: a pod is always created in a namespace";
        return Err(fault(Failure::NoNamespace, text));
    }
    Ok(Requested::Create(pod))
}

/// Refuses an object whose fields say that it is not a `v1` Pod. An object without these
/// fields is treated as a Pod, because the injection validates it anyway.
fn check_kind(path: &str, value: &Value, expected: &[(&str, &str)]) -> Result<(), Fault> {
    let other =
        |(key, required): &&(&str, &str)| value.get(key).is_some_and(|actual| actual != required);
    let Some((key, required)) = expected.iter().find(other) else {
        return Ok(());
    };
    Err(fault(
        Failure::NotAPod,
        format!(
            "{path}.{key} is {}, not {required:?}: this webhook is only for v1 Pods; fix the rules of the \
             MutatingWebhookConfiguration",
            value.get(key).map_or_else(String::new, quoted)
        ),
    ))
}

/// Fills in the subject from the pod's metadata.
fn describe(pod: &Value, subject: &mut Subject) {
    let Some(metadata) = pod.get("metadata") else {
        return;
    };
    let text = |key| {
        metadata
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if subject.namespace.is_empty() {
        text("namespace").clone_into(&mut subject.namespace);
    }
    if subject.name.is_empty() {
        let name = text("name");
        let name = if name.is_empty() {
            text("generateName")
        } else {
            name
        };
        name.clone_into(&mut subject.name);
    }
}

/// Formats a value for a message; the result is short, whatever the caller sent.
fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) if text.len() <= 80 => format!("{text:?}"),
        Value::String(_) => "a long string".to_owned(),
        _ => "not a string".to_owned(),
    }
}

fn take_string(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    match map.get_mut(key)? {
        Value::String(text) => Some(std::mem::take(text)),
        _ => None,
    }
}

fn too_large() -> Fault {
    Fault {
        code: 413,
        reason: Failure::TooLarge,
        message: format!(
            "the pod has too many parts: the parts that an injection reads would take more than {} MiB of memory (the containers' \
             environment, mounts and arguments do not count). Reduce its containers, volumes, ports and probes, or label \
             it sidecar.istio.io/inject: \"false\"",
            MEMORY / 1024 / 1024
        ),
    }
}

fn fault(reason: Failure, message: impl Into<String>) -> Fault {
    Fault {
        code: 400,
        reason,
        message: message.into(),
    }
}
