//! Why a pod is denied.

use crate::{
    annotation_fault::AnnotationFault, findings::Findings, guard::Bypass, steps::OutOfSteps,
};

/// Why a pod is denied. The text says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The pod carries the sidecar of an earlier injection.
    #[error("{0}")]
    AlreadyInjected(String),
    /// Annotations with values that can't be used, all of them.
    #[error("{}", joined(.0))]
    InvalidAnnotations(Vec<AnnotationFault>),
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
    /// A template does not render for this pod.
    #[error("{0}")]
    Template(String),
}

fn joined(faults: &[AnnotationFault]) -> String {
    let texts: Vec<_> = faults.iter().map(AnnotationFault::to_string).collect();
    texts.join("; ")
}

impl From<AnnotationFault> for Refusal {
    fn from(fault: AnnotationFault) -> Self {
        Self::InvalidAnnotations(vec![fault])
    }
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
