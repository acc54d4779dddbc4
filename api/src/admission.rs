//! A validating admission webhook for the kinds, without HTTP: a review in, a response out.
//!
//! The protocol is Kubernetes' `AdmissionReview` of `admission.k8s.io/v1`.

mod answer;
mod begin;
mod size;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json, value::RawValue};

pub use self::answer::Answer;
use self::{
    answer::{Subject, Verdict, answer},
    begin::Begin,
};
use crate::{
    fault::{Fault, Warning},
    object::{AnyObject, Kind},
    parse::parse,
};

/// The largest review that is read, in bytes. An API server takes 3 MiB from its own clients, and by
/// default its etcd stores half of that, so both objects of an update fit in: also the largest can lose its
/// finalizers. Only where etcd's limit was raised may an object be too large: API servers write each `<`,
/// `>` and `&` as six bytes.
pub const LARGEST_REVIEW: usize = 7 << 20;
/// How many bytes of a larger one are enough to answer it ([`refuse`]).
pub const BEGIN: usize = begin::LONGEST;
/// The most memory that one object may take when it is read, in bytes.
pub const LARGEST_OBJECT: usize = size::LARGEST_OBJECT;

/// Why a body has no response. All of them mean the caller's fault (HTTP's 400 or 413).
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It has more than [`LARGEST_REVIEW`] bytes, and does not begin as a review of an API server.
    #[error("the body is too large: at most {LARGEST_REVIEW} bytes are read")]
    TooLarge,
    /// It is not JSON, or lacks a field that a review must have.
    #[error("the body is no AdmissionReview: {0}")]
    NoReview(#[source] serde_json::Error),
    /// It is of another version.
    #[error("the body must be an AdmissionReview of admission.k8s.io/v1")]
    Version,
}

/// Why an object is not read.
enum Unread {
    /// It would take more than [`LARGEST_OBJECT`].
    TooLarge,
    /// It is nested too deeply, or has a number that is none.
    NotJson(serde_json::Error),
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

impl Request<'_> {
    fn subject(&self) -> Subject<'_> {
        Subject {
            kind: &self.kind.kind,
            namespace: &self.namespace,
            name: &self.name,
        }
    }
}

/// What can be told of an object that is not read: this takes no memory.
#[derive(Default, Deserialize)]
struct Outline<'a> {
    #[serde(default)]
    metadata: OutlineMetadata,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutlineMetadata {
    #[serde(default)]
    deletion_timestamp: Option<IgnoredAny>,
}

impl<'a> Outline<'a> {
    /// One that has no outline has no spec, and is not being deleted.
    fn of(object: Option<&'a RawValue>) -> Self {
        object
            .and_then(|object| serde_json::from_str(object.get()).ok())
            .unwrap_or_default()
    }
}

/// Whether reading an object would take more than [`LARGEST_OBJECT`] bytes of memory, by its JSON: the
/// webhook refuses it, but may not have been asked.
#[must_use]
pub fn is_too_large(json: &[u8]) -> bool {
    size::is_too_large(json)
}

/// Reviews an object, and returns the answer for the API server.
///
/// Objects that can't work are refused, and so are those that would take too much memory: without an
/// answer, an API server may let them through. An update that leaves an object's spec as it is goes
/// through, with its faults as warnings, so that labels, finalizers and owners of an object that
/// was stored earlier can still be changed; so does everything about an object that is being
/// deleted.
///
/// # Errors
///
/// If the body is no review.
pub fn review(body: &[u8]) -> Result<Answer, ReviewError> {
    review_beside(body, &|_| Vec::new())
}

/// As [`review`], with what `beside` says of a valid object: what other objects make of it. That comes
/// first among the warnings, of which there can't be many.
///
/// # Errors
///
/// If the body is no review.
pub fn review_beside(
    body: &[u8],
    beside: &dyn Fn(&AnyObject) -> Vec<String>,
) -> Result<Answer, ReviewError> {
    if body.len() > LARGEST_REVIEW {
        return refuse(body).ok_or(ReviewError::TooLarge);
    }
    let review: Review<'_> = serde_json::from_slice(body).map_err(ReviewError::NoReview)?;
    if review.kind != "AdmissionReview" || review.api_version != "admission.k8s.io/v1" {
        return Err(ReviewError::Version);
    }
    let request = review.request;
    let verdict = verdict(&request, beside);
    Ok(answer(&request.uid, request.subject(), verdict))
}

/// Refuses a review of more than [`LARGEST_REVIEW`] bytes, by its first [`BEGIN`] bytes. `None` if they
/// don't say which review it is, or it is none that asks whether an object may be written.
#[must_use]
pub fn refuse(begin: &[u8]) -> Option<Answer> {
    let begin = Begin::of(begin)?;
    let subject = begin.subject();
    let text = format!(
        "the review of it is too large: the object, and the one before it, may have {} MiB together; {}",
        LARGEST_REVIEW >> 20,
        subject.split()
    );
    Some(answer(begin.uid(), subject, Verdict::TooLarge(text)))
}

/// Reads an object of a review; `null`, if there is none.
fn read(object: Option<&RawValue>) -> Result<Value, Unread> {
    let Some(object) = object else {
        return Ok(Value::Null);
    };
    if is_too_large(object.get().as_bytes()) {
        return Err(Unread::TooLarge);
    }
    serde_json::from_str(object.get()).map_err(Unread::NotJson)
}

/// The spec of an object of a review, as text, whose fields are in order.
fn spec(object: Option<&RawValue>) -> Result<Option<String>, Unread> {
    Ok(read(object)?.get("spec").map(Value::to_string))
}

fn verdict(request: &Request<'_>, beside: &dyn Fn(&AnyObject) -> Vec<String>) -> Verdict {
    let is_write = matches!(request.operation.as_str(), "CREATE" | "UPDATE");
    if !is_write || !request.sub_resource.is_empty() {
        return Verdict::ALLOWED;
    }
    let kind =
        Kind::from_name(&request.kind.kind).filter(|kind| request.kind.group == kind.group());
    let Some(kind) = kind else {
        let text = "Pillion's webhook does not know this kind, and has not checked the object";
        return Verdict::Allowed {
            warnings: vec![text.to_owned()],
        };
    };
    let mut object = match read(request.object) {
        Ok(object) => object,
        Err(unread) => return of_unread(request, &unread),
    };
    if object["metadata"].get("deletionTimestamp").is_some() {
        return Verdict::ALLOWED;
    }
    // The namespace decides what short names mean; it is missing in an object that relies on the URL.
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata
            .entry("namespace")
            .or_insert_with(|| json!(request.namespace));
    }
    let faults = match parse(kind, object) {
        Ok((object, warnings)) => {
            let mut all = beside(&object);
            all.extend(warnings.iter().map(Warning::to_string));
            return Verdict::Allowed { warnings: all };
        }
        Err(faults) => faults,
    };
    let is_unchanged = request.operation == "UPDATE" && {
        // One that can't be read is another one.
        match (spec(request.object), spec(request.old_object)) {
            (Ok(now), Ok(old)) => now == old,
            _ => false,
        }
    };
    if is_unchanged {
        not_applied(faults.iter().map(Fault::to_string))
    } else {
        Verdict::Invalid(faults)
    }
}

/// The verdict about an object that is not read. What holds for faulty ones holds for it, too.
fn of_unread(request: &Request<'_>, unread: &Unread) -> Verdict {
    let now = Outline::of(request.object);
    if now.metadata.deletion_timestamp.is_some() {
        return Verdict::ALLOWED;
    }
    let verdict = match unread {
        Unread::TooLarge => Verdict::TooLarge(format!(
            "the object is too large: reading it would take more than {} MiB of memory; {}",
            LARGEST_OBJECT >> 20,
            request.subject().split()
        )),
        Unread::NotJson(error) => Verdict::Invalid(vec![Fault {
            path: "spec".to_owned(),
            message: format!("can't be read: {error}"),
        }]),
    };
    // An API server writes fields in order, so that specs which are the same have the same text.
    let old = Outline::of(request.old_object);
    let (now, old) = (now.spec.map(RawValue::get), old.spec.map(RawValue::get));
    let is_unchanged = request.operation == "UPDATE" && now.is_some() && now == old;
    match verdict {
        Verdict::TooLarge(text) if is_unchanged => not_applied([text]),
        Verdict::Invalid(faults) if is_unchanged => {
            not_applied(faults.iter().map(Fault::to_string))
        }
        verdict => verdict,
    }
}

/// Allows the change of an object which is not in force before and after it.
fn not_applied(texts: impl IntoIterator<Item = String>) -> Verdict {
    let warnings = texts
        .into_iter()
        .map(|text| format!("this object is not applied: {text}"));
    Verdict::Allowed {
        warnings: warnings.collect(),
    }
}

#[cfg(test)]
mod tests;
