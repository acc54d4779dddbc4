//! One log line a review.

use std::time::Duration;

use super::review::Answer;
use crate::metrics::ReviewOutcome;

/// Logs how a review ended. Decisions are the injector's daily work and come at
/// `info`; what could not be answered is somebody's fault and comes at `warn`.
pub(super) fn review(answer: &Answer, took: Duration) {
    // The fields once, for the macros that fix the level where they stand.
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                uid = answer.subject.uid,
                namespace = answer.subject.namespace,
                pod = answer.subject.name,
                owner = answer.subject.owner,
                decision = answer.outcome.as_str(),
                reason = answer.outcome.reason(),
                message_to_user = answer.message,
                took_us = took.as_micros(),
                $text
            )
        };
    }
    match answer.outcome {
        ReviewOutcome::Injected | ReviewOutcome::Skipped(_) | ReviewOutcome::Refused(_) => {
            line!(info, "review");
        }
        ReviewOutcome::Failed(_) => line!(warn, "review failed"),
    }
}
