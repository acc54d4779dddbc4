//! One log line a review.

use std::{net::SocketAddr, time::Duration};

use super::review::Answer;
use crate::{logging::Throttle, metrics::ReviewOutcome};

/// What is no review can come in floods; so many lines a second of it.
const FAILURES_A_SECOND: u32 = 20;

/// Bytes of what a caller sent, in a field of a line.
const LONGEST: usize = 2048;

/// Writes the lines.
#[derive(Debug)]
pub(super) struct Log {
    failures: Throttle,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            failures: Throttle::new(FAILURES_A_SECOND),
        }
    }

    /// Logs how a review ended. Decisions are the injector's daily work and
    /// come at `info`; what could not be answered is somebody's fault and comes
    /// at `warn`, with the address it came from.
    pub(super) fn review(&self, answer: &Answer, took: Duration, peer: SocketAddr) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // The fields once, for the macros that fix the level where they stand.
        macro_rules! line {
            ($level:ident, $($more:tt)+) => {
                tracing::$level!(
                    uid = short(&answer.subject.uid),
                    namespace = short(&answer.subject.namespace),
                    pod = short(&answer.subject.name),
                    owner = short(&answer.subject.owner),
                    decision = answer.outcome.as_str(),
                    reason = answer.outcome.reason(),
                    message_to_user = short(&answer.message),
                    took_us,
                    $($more)+
                )
            };
        }
        if !matches!(answer.outcome, ReviewOutcome::Failed(_)) {
            line!(info, "review");
        } else if let Some(held_back) = self.failures.pass() {
            line!(warn, peer = %peer, held_back, "review failed");
        }
    }
}

/// Cut to what a log can bear; what comes from an API server is shorter.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
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
        line_with(outcome, "because")
    }

    fn line_with(outcome: ReviewOutcome, message: &str) -> Value {
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
            message: message.to_owned(),
            bypasses: Vec::new(),
        };
        let took = Duration::from_micros(250);
        let peer = SocketAddr::from(([10, 0, 0, 7], 4711));
        let log = Log::new();
        let line = logging::logged(Format::Json, || log.review(&answer, took, peer));
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
    fn warns_of_what_could_not_be_answered_and_where_it_came_from() {
        let line = line(ReviewOutcome::Failed("bad_json"));
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["reason"], "bad_json");
        assert_eq!(line["peer"], "10.0.0.7:4711");
    }

    #[test]
    fn cuts_what_a_caller_sent_too_much_of() {
        let line = line_with(ReviewOutcome::Refused("invalid_pod"), &"ä".repeat(LONGEST));
        assert_eq!(line["message_to_user"], "ä".repeat(LONGEST / 2));
    }
}
