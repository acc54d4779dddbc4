//! What becomes of a pod.

use json_patch::Patch;

use super::{Bypass, Findings, SkipReason, steps::OutOfSteps};

/// What the injector decided on a pod that it lets pass.
#[derive(Debug)]
pub enum Outcome {
    /// The pod gets a sidecar.
    Injected(Injection),
    /// The pod stays as it is.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// What the user should know, for the review's `warnings`.
        warnings: Vec<String>,
    },
}

/// The change to a pod that is injected.
#[derive(Debug)]
pub struct Injection {
    /// RFC 6902 operations against the pod as it came.
    pub patch: Patch,
    /// What the user should know, for the review's `warnings`.
    pub warnings: Vec<String>,
    /// Guards that found something and let it pass; the warnings tell of it.
    pub bypasses: Vec<Bypass>,
}

/// Why a pod is denied. The text says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The pod carries the sidecar of an earlier injection.
    #[error("{0}")]
    AlreadyInjected(String),
    /// Annotations with values that can't be used, all of them.
    #[error("{}", .0.join("; "))]
    InvalidAnnotations(Vec<String>),
    /// The pod's JSON has other types than a Pod has.
    #[error("{0}")]
    InvalidPod(String),
    /// The pod asks for something that Pillion does not have.
    #[error("{0}")]
    Unsupported(String),
    /// The pod asks for a template that the configuration lacks.
    #[error("{0}")]
    UnknownTemplate(String),
    /// The pod asks for something that a guard refuses.
    #[error("{0}")]
    Guarded(Findings),
    /// The pod is larger than what can be injected.
    #[error("{0}")]
    TooLarge(String),
    /// A template does not come to a pod for this input.
    #[error("{0}")]
    Template(String),
}

impl From<OutOfSteps> for Refusal {
    fn from(error: OutOfSteps) -> Self {
        Self::TooLarge(error.to_string())
    }
}

impl Refusal {
    /// The HTTP status code for the review's `status.code`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Guarded(_) => 403,
            Self::AlreadyInjected(_) => 409,
            Self::InvalidAnnotations(_)
            | Self::InvalidPod(_)
            | Self::Unsupported(_)
            | Self::UnknownTemplate(_) => 422,
            Self::TooLarge(_) => 413,
            Self::Template(_) => 500,
        }
    }

    /// A short name, for logs and the label of a metric.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyInjected(_) => "already_injected",
            Self::InvalidAnnotations(_) => "invalid_annotation",
            Self::InvalidPod(_) => "invalid_pod",
            Self::Unsupported(_) => "unsupported",
            Self::UnknownTemplate(_) => "unknown_template",
            Self::Guarded(_) => "guard",
            Self::TooLarge(_) => "too_large",
            Self::Template(_) => "template_error",
        }
    }

    /// What the user should know besides, for the review's `warnings`.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Guarded(findings) => findings.warnings(),
            _ => Vec::new(),
        }
    }

    /// Guards that found something.
    #[must_use]
    pub fn bypasses(&self) -> Vec<Bypass> {
        match self {
            Self::Guarded(findings) => findings.bypasses(),
            _ => Vec::new(),
        }
    }
}
