//! What the injector decides on a pod that it does not deny.

use json_patch::Patch;

use crate::{guard::Bypass, skip_reason::SkipReason};

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
    /// The guards that found something and let it pass; the warnings explain.
    pub bypasses: Vec<Bypass>,
}
