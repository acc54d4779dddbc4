//! What is wrong with an annotation.

use crate::{annotations::TEMPLATES, unsupported::Unsupported};

/// Why an annotation of a pod can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationFault {
    /// Its value does not have the form that it must have.
    #[error("invalid value {value:?} for annotation {annotation:?}: {reason}")]
    InvalidValue {
        /// The annotation's name.
        annotation: &'static str,
        /// Its value, cut to what a message can quote.
        value: String,
        /// What the value must be.
        reason: String,
    },
    /// It requests a feature that Pillion does not support.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// `inject.istio.io/templates` names a template more than once.
    #[error("annotation {TEMPLATES:?} names {0:?} twice; name each template once")]
    RepeatedTemplate(String),
    /// `inject.istio.io/templates` requests more templates than a pod may have.
    #[error("annotation {TEMPLATES:?} requests more than {0} templates, the maximum for a pod")]
    TooManyTemplates(usize),
    /// The app's scrape annotations can't be merged with the proxy's.
    #[error("invalid prometheus scrape configuration: {0}")]
    Scrape(String),
}
