//! Writing the answer to a review.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use pillion_inject::{Bypass, Injection, Refusal};
use serde::{Serialize, Serializer};

use super::{
    request::{Head, Subject},
    warnings::within_limits,
};
use crate::metrics::{Failure, ReviewOutcome};

/// Room for an answer without its patch.
const BESIDES_PATCH: usize = 512;

/// A review's answer, ready to be sent, and what to count and log about it.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status: 200 for every AdmissionReview.
    pub http_status: u16,
    /// The body, JSON: an AdmissionReview, or for an HTTP error a `v1` Status,
    /// whose message the API server shows to its user.
    pub body: Vec<u8>,
    /// How the review ended.
    pub outcome: ReviewOutcome,
    /// What it was about.
    pub subject: Subject,
    /// What the user is told on a refusal or an error; empty otherwise.
    pub message: String,
    /// Guards that found something on the pod.
    pub bypasses: Vec<Bypass>,
}

impl Answer {
    /// An answer to something that is not a review.
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
    pub(super) fn allow(self, reason: &'static str, warnings: &[String]) -> Answer {
        let body = self.write(Response {
            allowed: true,
            ..self.response(warnings)
        });
        self.answer(body, ReviewOutcome::Skipped(reason), String::new())
    }

    pub(super) fn patch(self, injection: &Injection) -> Answer {
        let mut patch = Vec::with_capacity(8 * 1024);
        if let Err(error) = serde_json::to_writer(&mut patch, &injection.patch) {
            let message = format!("the patch cannot be serialized: {error}");
            return self.deny(ReviewOutcome::Failed(Failure::Patch), 500, message);
        }
        let body = self.write(Response {
            allowed: true,
            patch: Some(Encoded(&patch)),
            patch_type: Some("JSONPatch"),
            ..self.response(&injection.warnings)
        });
        let mut answer = self.answer(body, ReviewOutcome::Injected, String::new());
        answer.bypasses.clone_from(&injection.bypasses);
        answer
    }

    pub(super) fn refuse(self, refusal: &Refusal) -> Answer {
        let outcome = ReviewOutcome::Refused(refusal.reason());
        let (code, message) = (refusal.code(), refusal.to_string());
        let mut answer = self.deny_with(outcome, code, message, &refusal.warnings());
        answer.bypasses = refusal.bypasses();
        answer
    }

    pub(super) fn deny(self, outcome: ReviewOutcome, code: u16, message: String) -> Answer {
        self.deny_with(outcome, code, message, &[])
    }

    fn deny_with(
        self,
        outcome: ReviewOutcome,
        code: u16,
        message: String,
        warnings: &[String],
    ) -> Answer {
        let body = self.write(Response {
            status: Some(Status::failure(code, &message)),
            ..self.response(warnings)
        });
        self.answer(body, outcome, message)
    }

    fn response(&self, warnings: &[String]) -> Response<'_> {
        Response {
            uid: &self.subject.uid,
            allowed: false,
            patch: None,
            patch_type: None,
            status: None,
            warnings: within_limits(warnings),
        }
    }

    fn write(&self, response: Response<'_>) -> Vec<u8> {
        let patch = response.patch.as_ref().map_or(0, |patch| patch.0.len());
        let review = Review {
            api_version: self.api_version,
            kind: "AdmissionReview",
            response,
        };
        to_json(&review, BESIDES_PATCH + patch.div_ceil(3) * 4)
    }

    fn answer(self, body: Vec<u8>, outcome: ReviewOutcome, message: String) -> Answer {
        Answer {
            http_status: 200,
            body,
            outcome,
            subject: self.subject,
            message,
            bypasses: Vec::new(),
        }
    }
}

/// The body of an HTTP error: a `v1` Status.
#[must_use]
pub fn http_error(code: u16, message: &str) -> Vec<u8> {
    let status = Object {
        api_version: "v1",
        kind: "Status",
        status: Status::failure(code, message),
    };
    to_json(&status, BESIDES_PATCH)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    status: Status<'a>,
}

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

/// The `reason` of a Status with this code. Controllers branch on it, so it must not
/// say more than the code: a 409 is not always an `AlreadyExists`.
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

/// A patch as the review carries it: JSON in base64.
struct Encoded<'a>(&'a [u8]);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// Our own structs of strings and numbers can always be serialized; if one could
/// not, the API server would report the empty body as a failing webhook.
fn to_json(value: &impl Serialize, length: usize) -> Vec<u8> {
    let mut json = Vec::with_capacity(length);
    if serde_json::to_writer(&mut json, value).is_err() {
        json.clear();
    }
    json
}
