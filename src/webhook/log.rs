//! One log line a review.

use std::time::Duration;

use super::review::Answer;
use crate::metrics::ReviewOutcome;

/// Logs how a review ended. Decisions are the injector's daily work and come at
/// `info`; what could not be answered is somebody's fault and comes at `warn`.
pub(super) fn review(answer: &Answer, took: Duration) {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
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
                took_us,
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        logging::{self, Format},
        webhook::review::Subject,
    };

    fn line(outcome: ReviewOutcome) -> Value {
        let answer = Answer {
            http_status: 200,
            body: Vec::new(),
            outcome,
            subject: Subject {
                uid: "7c9d".to_owned(),
                namespace: "shop".to_owned(),
                name: "web-5d8f-".to_owned(),
                owner: "Deployment/web".to_owned(),
            },
            message: "because".to_owned(),
        };
        let took = Duration::from_micros(250);
        let line = logging::logged(Format::Json, || review(&answer, took));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn says_what_was_decided_on_which_pod_and_why() {
        let line = line(ReviewOutcome::Refused("already_injected"));
        for (field, value) in [
            ("level", "INFO"),
            ("uid", "7c9d"),
            ("namespace", "shop"),
            ("pod", "web-5d8f-"),
            ("owner", "Deployment/web"),
            ("decision", "refused"),
            ("reason", "already_injected"),
            ("message_to_user", "because"),
        ] {
            assert_eq!(line[field], value, "{field}");
        }
        assert_eq!(line["took_us"], 250);
    }

    #[test]
    fn warns_of_what_could_not_be_answered() {
        assert_eq!(line(ReviewOutcome::Failed("bad_json"))["level"], "WARN");
    }
}
