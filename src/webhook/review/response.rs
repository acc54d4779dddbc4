//! Writing the response to a review.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use pillion_inject::{Bypass, Injection, Refusal};
use serde::{Serialize, Serializer};

use super::{
    request::{Head, Subject},
    warnings::within_limits,
};
use crate::metrics::{Failure, ReviewOutcome};

/// The approximate size of a response without its patch.
const BESIDES_PATCH: usize = 512;

/// The response to a review, ready to be sent, and what to count and log about it.
#[derive(Debug)]
pub struct ReviewResponse {
    /// The HTTP status: 200 for every AdmissionReview.
    pub http_status: u16,
    /// The JSON body: an AdmissionReview, or for an HTTP error a `v1` Status, whose message
    /// the API server shows to the user.
    pub body: Vec<u8>,
    /// How the review ended.
    pub outcome: ReviewOutcome,
    /// The object of the review.
    pub subject: Subject,
    /// The message to the user for a refusal or an error; empty otherwise.
    pub message: String,
    /// The guards' findings on the pod.
    pub bypasses: Vec<Bypass>,
}

impl ReviewResponse {
    /// Creates the response to a request that is not a review.
    #[must_use]
    pub fn http_error(code: u16, outcome: ReviewOutcome, message: String) -> Self {
        Self {
            http_status: code,
            body: http_error(code, &message),
            outcome,
            subject: Subject::default(),
            message,
            bypasses: Vec::new(),
        }
    }
}

impl Head {
    pub(super) fn allow(self, reason: &'static str, warnings: &[String]) -> ReviewResponse {
        let body = self.write(AdmissionResponse {
            allowed: true,
            ..self.response(warnings)
        });
        self.finish(body, ReviewOutcome::Skipped(reason), String::new())
    }

    pub(super) fn patch(self, injection: &Injection) -> ReviewResponse {
        let mut patch = Vec::with_capacity(8 * 1024);
        if let Err(error) = serde_json::to_writer(&mut patch, &injection.patch) {
            let message = format!("the patch cannot be serialized: {error}");
            return self.deny(ReviewOutcome::Failed(Failure::Patch), 500, message);
        }
        let body = self.write(AdmissionResponse {
            allowed: true,
            patch: Some(Encoded(&patch)),
            patch_type: Some("JSONPatch"),
            ..self.response(&injection.warnings)
        });
        let mut response = self.finish(body, ReviewOutcome::Injected, String::new());
        response.bypasses.clone_from(&injection.bypasses);
        response
    }

    pub(super) fn refuse(self, refusal: &Refusal) -> ReviewResponse {
        let outcome = ReviewOutcome::Refused(refusal.reason());
        let (code, message) = (refusal.code(), refusal.to_string());
        let mut response = self.deny_with(outcome, code, message, &refusal.warnings());
        response.bypasses = refusal.bypasses();
        response
    }

    pub(super) fn deny(self, outcome: ReviewOutcome, code: u16, message: String) -> ReviewResponse {
        self.deny_with(outcome, code, message, &[])
    }

    fn deny_with(
        self,
        outcome: ReviewOutcome,
        code: u16,
        message: String,
        warnings: &[String],
    ) -> ReviewResponse {
        let body = self.write(AdmissionResponse {
            status: Some(Status::failure(code, &message)),
            ..self.response(warnings)
        });
        self.finish(body, outcome, message)
    }

    fn response(&self, warnings: &[String]) -> AdmissionResponse<'_> {
        AdmissionResponse {
            uid: &self.subject.uid,
            allowed: false,
            patch: None,
            patch_type: None,
            status: None,
            warnings: within_limits(warnings),
        }
    }

    fn write(&self, response: AdmissionResponse<'_>) -> Vec<u8> {
        let patch = response.patch.as_ref().map_or(0, |patch| patch.0.len());
        let review = AdmissionReview {
            api_version: self.api_version,
            kind: "AdmissionReview",
            response,
        };
        to_json(&review, BESIDES_PATCH + patch.div_ceil(3) * 4)
    }

    fn finish(self, body: Vec<u8>, outcome: ReviewOutcome, message: String) -> ReviewResponse {
        ReviewResponse {
            http_status: 200,
            body,
            outcome,
            subject: self.subject,
            message,
            bypasses: Vec::new(),
        }
    }
}

/// Returns the body of an HTTP error: a `v1` Status as JSON.
#[must_use]
pub fn http_error(code: u16, message: &str) -> Vec<u8> {
    let status = StatusObject {
        api_version: "v1",
        kind: "Status",
        status: Status::failure(code, message),
    };
    to_json(&status, BESIDES_PATCH)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionReview<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: AdmissionResponse<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionResponse<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<Encoded<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A Kubernetes `v1` Status that is the whole body of an HTTP error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusObject<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    status: Status<'a>,
}

/// A Kubernetes Status, as in an AdmissionReview's `response.status`.
#[derive(Serialize)]
struct Status<'a> {
    metadata: Empty,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    code: u16,
}

#[derive(Serialize)]
struct Empty {}

impl<'a> Status<'a> {
    fn failure(code: u16, message: &'a str) -> Self {
        Self {
            metadata: Empty {},
            status: "Failure",
            message,
            reason: reason(code),
            code,
        }
    }
}

/// Returns the `reason` of a Status with this code. Controllers branch on it, so it must
/// not be more specific than the code: a 409 is not always an `AlreadyExists`.
fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        408 => "Timeout",
        409 => "Conflict",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    }
}

/// A patch as in an AdmissionReview: JSON encoded in base64.
struct Encoded<'a>(&'a [u8]);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// Serializes a value. Our structs of strings and numbers can always be serialized; if one
/// could not, the API server would report the empty body as a failing webhook.
fn to_json(value: &impl Serialize, length: usize) -> Vec<u8> {
    let mut json = Vec::with_capacity(length);
    if serde_json::to_writer(&mut json, value).is_err() {
        json.clear();
    }
    json
}
