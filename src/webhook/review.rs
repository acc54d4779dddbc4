//! One admission review: the bytes of a request in, the answer out.
//!
//! Pure, so that tests and the fuzz target reach all of it without a server.
//! Where the review's uid can be read, the answer is an AdmissionReview, which
//! the API server hands on to the user; where it can't, it is an HTTP error.

mod answer;
mod request;
mod warnings;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use answer::{Answer, http_error};
pub use request::Subject;

use pillion_inject::{self as inject, Config, Outcome, Refusal, Target, Workload};

use crate::metrics::{Failure, ReviewOutcome};
use request::{Ask, Review};

/// What a review is answered with, besides its own text.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    /// Whether the cluster's nodes run native sidecars.
    pub cluster_has_native_sidecars: bool,
    /// Environment from the webhook's path, see [`super::path_env`].
    pub path_env: &'a [(String, String)],
}

/// Answers the review in a request's body.
#[must_use]
pub fn review(body: &[u8], context: &Context<'_>) -> Answer {
    review_with(body, context, inject::inject)
}

/// The injection as a parameter, so that tests can see one that panics.
pub(super) type Inject = fn(&Config, &Target<'_>) -> Result<Outcome, Refusal>;

pub(super) fn review_with(body: &[u8], context: &Context<'_>, inject: Inject) -> Answer {
    let failed = |reason| ReviewOutcome::Failed(reason);
    // Catching a panic is sound: whatever it leaves behind is dropped with the review,
    // and the configuration, which is shared, is only read.
    let read = catch_unwind(AssertUnwindSafe(|| Review::read(body, context.config)));
    let Review { mut head, ask } = match read {
        Ok(Ok(review)) => review,
        Ok(Err(fault)) => {
            return Answer::http_error(fault.code, failed(fault.reason), fault.message);
        }
        Err(_) => return Answer::http_error(500, failed(Failure::Panic), PANICKED.to_owned()),
    };
    let pod = match ask {
        Ok(Ask::Create(pod)) => pod,
        Ok(Ask::Other) => return head.allow("operation", &[]),
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

pub(super) const PANICKED: &str = "the injector failed on this pod, which is a fault of Pillion: its log names \
                        the place; please report it. A pod with the label \
                        sidecar.istio.io/inject: \"false\" is created without a sidecar";

#[cfg(test)]
mod tests;
