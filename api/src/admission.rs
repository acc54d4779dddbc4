//! A validating admission webhook for the four kinds, without HTTP: a review in, a response out.
//!
//! The protocol is Kubernetes' `AdmissionReview` of `admission.k8s.io/v1`.

mod size;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    fault::{Fault, Warning},
    object::{GROUP, Kind},
    parse::parse,
};

/// The largest review that is read, in bytes: what an API server takes from its own clients.
pub const LARGEST_REVIEW: usize = 3 << 20;
/// The most memory that one object may take when it is read, in bytes.
pub const LARGEST_OBJECT: usize = size::LARGEST_OBJECT;
/// The most characters of one warning: Kubernetes asks for no more.
const LONGEST_WARNING: usize = 256;
/// The most warnings of one response. API servers cut off at 4,096 characters in all.
const MOST_WARNINGS: usize = 15;

/// Why a body has no response. All of them mean the caller's fault (HTTP's 400 or 413).
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It has more than [`LARGEST_REVIEW`] bytes, or its object would take more than
    /// [`LARGEST_OBJECT`].
    #[error(
        "the review is too large: at most {LARGEST_REVIEW} bytes are read, and the object may take \
         {LARGEST_OBJECT} in memory"
    )]
    TooLarge,
    /// It is not JSON, or lacks a field that a review must have.
    #[error("the body is no AdmissionReview: {0}")]
    NoReview(#[source] serde_json::Error),
    /// It is of another version.
    #[error("the body must be an AdmissionReview of admission.k8s.io/v1")]
    Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: String,
    kind: String,
    #[serde(borrow)]
    request: Request<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    uid: String,
    kind: GroupKind,
    #[serde(default)]
    sub_resource: String,
    operation: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    /// As text: the two objects are read one after the other, if at all.
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct GroupKind {
    group: String,
    kind: String,
}

/// What a review decides.
struct Verdict {
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

/// Whether reading an object would take more than [`LARGEST_OBJECT`] bytes of memory, by its JSON: the
/// webhook refuses it, but may not have been asked.
#[must_use]
pub fn is_too_large(json: &[u8]) -> bool {
    size::is_too_large(json)
}

/// Reviews an object, and returns the response for the API server.
///
/// Objects that can't work are refused. An update that leaves an object's spec as it is goes
/// through, with its faults as warnings, so that labels, finalizers and owners of an object that
/// was stored earlier can still be changed; so does everything about an object that is being
/// deleted.
///
/// # Errors
///
/// If the body is no review, or its object would take too much memory.
pub fn review(body: &[u8]) -> Result<Value, ReviewError> {
    if body.len() > LARGEST_REVIEW {
        return Err(ReviewError::TooLarge);
    }
    let review: Review<'_> = serde_json::from_slice(body).map_err(ReviewError::NoReview)?;
    if review.kind != "AdmissionReview" || review.api_version != "admission.k8s.io/v1" {
        return Err(ReviewError::Version);
    }
    let request = review.request;
    let verdict = verdict(&request)?;
    Ok(response(&request, &verdict))
}

/// Reads an object of a review; `null`, if there is none.
fn read(object: Option<&RawValue>) -> Result<Value, ReviewError> {
    let Some(object) = object else {
        return Ok(Value::Null);
    };
    if is_too_large(object.get().as_bytes()) {
        return Err(ReviewError::TooLarge);
    }
    serde_json::from_str(object.get()).map_err(ReviewError::NoReview)
}

/// The spec of an object of a review, as text, whose fields are in order.
fn spec(object: Option<&RawValue>) -> Result<Option<String>, ReviewError> {
    Ok(read(object)?.get("spec").map(Value::to_string))
}

fn verdict(request: &Request<'_>) -> Result<Verdict, ReviewError> {
    let none = Verdict {
        faults: Vec::new(),
        warnings: Vec::new(),
    };
    let is_write = matches!(request.operation.as_str(), "CREATE" | "UPDATE");
    if !is_write || !request.sub_resource.is_empty() {
        return Ok(none);
    }
    let kind = Kind::from_name(&request.kind.kind).filter(|_| request.kind.group == GROUP);
    let Some(kind) = kind else {
        return Ok(Verdict {
            warnings: vec![
                "Pillion's webhook does not know this kind, and has not checked the object"
                    .to_owned(),
            ],
            ..none
        });
    };
    let mut object = read(request.object)?;
    if object["metadata"].get("deletionTimestamp").is_some() {
        return Ok(none);
    }
    // The namespace decides what short names mean; it is missing in an object that relies on the URL.
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata
            .entry("namespace")
            .or_insert_with(|| json!(request.namespace));
    }
    let faults = match parse(kind, object) {
        Ok((_, warnings)) => {
            return Ok(Verdict {
                warnings: warnings.iter().map(Warning::to_string).collect(),
                ..none
            });
        }
        Err(faults) => faults,
    };
    let is_unchanged = request.operation == "UPDATE" && {
        let now = spec(request.object)?;
        // One that can't be read is another one.
        spec(request.old_object).is_ok_and(|old| old == now)
    };
    Ok(if is_unchanged {
        let warnings = faults
            .iter()
            .map(|fault| format!("this object is not applied: {fault}"))
            .collect();
        Verdict { warnings, ..none }
    } else {
        Verdict { faults, ..none }
    })
}

fn response(request: &Request<'_>, verdict: &Verdict) -> Value {
    let mut response = json!({ "uid": request.uid, "allowed": verdict.faults.is_empty() });
    if !verdict.faults.is_empty() {
        let message: Vec<String> = verdict.faults.iter().map(Fault::to_string).collect();
        let causes: Vec<Value> = verdict
            .faults
            .iter()
            .map(|fault| json!({ "reason": "FieldValueInvalid", "field": fault.path, "message": fault.message }))
            .collect();
        response["status"] = json!({
            "status": "Failure",
            "code": 422,
            "reason": "Invalid",
            "message": message.join("; "),
            "details": { "name": request.name, "group": GROUP, "kind": request.kind.kind, "causes": causes },
        });
    }
    let warnings: Vec<String> = verdict
        .warnings
        .iter()
        .take(MOST_WARNINGS)
        .map(|warning| warning.chars().take(LONGEST_WARNING).collect())
        .collect();
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

#[cfg(test)]
mod tests;
