//! Processing an admission review: from a request's body to the response.
//!
//! The code is pure, so that tests and the fuzz target reach all of it without a server.
//! If the review's uid can be read, the response is an AdmissionReview, whose message the
//! API server shows to the user; otherwise it is an HTTP error.

mod request;
mod response;
mod warnings;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use request::Subject;
pub use response::{ReviewResponse, http_error};

use pillion_inject::{self as inject, Config, Outcome, Refusal, Target, Workload};

use crate::metrics::{Failure, ReviewOutcome};
use request::{Requested, Review};

/// What the response depends on, besides the request's body.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The current configuration.
    pub config: &'a Config,
    /// Whether the cluster's nodes support native sidecars.
    pub cluster_has_native_sidecars: bool,
    /// Environment variables from the webhook's path; see [`super::path_env`].
    pub path_env: &'a [(String, String)],
}

/// Processes the review in a request's body. Does not panic, and always returns a
/// response, whatever the body contains.
///
/// ```
/// use pillion::webhook::review::{Context, review};
/// use pillion_inject::Config;
///
/// let context = Context {
///     config: &Config::builtin().unwrap(),
///     cluster_has_native_sidecars: true,
///     path_env: &[],
/// };
/// let response = review(b"{}", &context);
/// assert_eq!(response.http_status, 400);
/// assert_eq!(response.outcome.reason(), "not_a_review");
/// ```
#[must_use]
pub fn review(body: &[u8], context: &Context<'_>) -> ReviewResponse {
    review_with(body, context, inject::inject)
}

/// The injection, as a parameter, so that tests can use one that panics.
pub(super) type Inject = fn(&Config, &Target<'_>) -> Result<Outcome, Refusal>;

pub(super) fn review_with(body: &[u8], context: &Context<'_>, inject: Inject) -> ReviewResponse {
    let failed = |reason| ReviewOutcome::Failed(reason);
    // Asserting unwind safety is correct: what a panic leaves behind is dropped with the
    // review, and the shared configuration is only read.
    let read = catch_unwind(AssertUnwindSafe(|| Review::read(body, context.config)));
    let Review {
        mut head,
        requested,
    } = match read {
        Ok(Ok(review)) => review,
        Ok(Err(fault)) => {
            return ReviewResponse::http_error(fault.code, failed(fault.reason), fault.message);
        }
        Err(_) => {
            return ReviewResponse::http_error(500, failed(Failure::Panic), PANICKED.to_owned());
        }
    };
    let pod = match requested {
        Ok(Requested::Create(pod)) => pod,
        Ok(Requested::Other) => return head.allow("operation", &[]),
        Err(fault) => return head.deny(failed(fault.reason), fault.code, fault.message),
    };
    let workload = Workload::of(&pod);
    head.subject.owner = format!("{}/{}", workload.kind, workload.name);
    let target = Target {
        pod: &pod,
        namespace: &head.subject.namespace,
        workload: Some(&workload),
        path_env: context.path_env,
        cluster_has_native_sidecars: context.cluster_has_native_sidecars,
    };
    match catch_unwind(AssertUnwindSafe(|| inject(context.config, &target))) {
        Ok(Ok(Outcome::Injected(injection))) => head.patch(&injection),
        Ok(Ok(Outcome::Skipped { reason, warnings })) => head.allow(reason.as_str(), &warnings),
        Ok(Err(refusal)) => head.refuse(&refusal),
        Err(_) => head.deny(failed(Failure::Panic), 500, PANICKED.to_owned()),
    }
}

pub(super) const PANICKED: &str = "the injector failed on this pod because of a bug in Pillion: please report it, with the \
                        location in the injector's log. To create the pod without a sidecar, label it \
                        sidecar.istio.io/inject: \"false\"";

#[cfg(test)]
mod tests;
