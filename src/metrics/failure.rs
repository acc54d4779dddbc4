//! Why a request could not be processed as a review.

/// Why a request could not be processed as a review, for the log and a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The path is not one of a review.
    BadPath,
    /// The method is not POST.
    BadMethod,
    /// The Content-Type is not JSON.
    ContentType,
    /// No configuration has been loaded yet.
    NoConfiguration,
    /// The injector panicked.
    Panic,
    /// The body or the pod is too large.
    TooLarge,
    /// The body took too long to arrive.
    BodyTimeout,
    /// The caller closed the connection or the stream while it sent the body.
    BodyBroken,
    /// An overload limit was reached.
    Overload,
    /// The request has no uid.
    NoUid,
    /// The uid is too long.
    BadUid,
    /// The body is empty.
    EmptyBody,
    /// The body is not JSON.
    BadJson,
    /// The body is not an AdmissionReview.
    NotAReview,
    /// The AdmissionReview has a version that is not supported.
    UnsupportedVersion,
    /// The AdmissionReview has no request.
    NoRequest,
    /// The operation is not a string.
    BadOperation,
    /// The request has no object.
    NoObject,
    /// The object is not a `v1` Pod.
    NotAPod,
    /// The namespace is missing or too long.
    NoNamespace,
    /// The patch could not be serialized.
    Patch,
}

impl Failure {
    /// Returns the failure as one word, for the log and the metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadPath => "bad_path",
            Self::BadMethod => "bad_method",
            Self::ContentType => "content_type",
            Self::NoConfiguration => "no_configuration",
            Self::Panic => "panic",
            Self::TooLarge => "too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::Overload => "overload",
            Self::NoUid => "no_uid",
            Self::BadUid => "bad_uid",
            Self::EmptyBody => "empty_body",
            Self::BadJson => "bad_json",
            Self::NotAReview => "not_a_review",
            Self::UnsupportedVersion => "unsupported_version",
            Self::NoRequest => "no_request",
            Self::BadOperation => "bad_operation",
            Self::NoObject => "no_object",
            Self::NotAPod => "not_a_pod",
            Self::NoNamespace => "no_namespace",
            Self::Patch => "patch",
        }
    }
}
