//! The log, with one line per review.

use std::{net::SocketAddr, time::Duration};

use pillion_telemetry::{HeldBack, Rates, Throttle};

use super::review::ReviewResponse;
use crate::{metrics::ReviewOutcome, text::shorten};

/// Requests that are not reviews may flood the log.
const FAILURES: Rates = Rates {
    each: 5,
    first: 100,
    more: 20,
};

/// More pods than an API server can create in a second.
const DECISIONS: Rates = Rates {
    each: 500,
    first: 500,
    more: 2000,
};

/// The maximum length of a field that a caller sent, in bytes.
const LONGEST: usize = 2048;

/// Writes the log lines, and limits their rate.
#[derive(Debug)]
pub(super) struct Log {
    failures: Throttle,
    decisions: Throttle,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            failures: Throttle::new(FAILURES),
            decisions: Throttle::new(DECISIONS),
        }
    }

    /// Logs how a review ended: decisions at `info`, and requests that could not be
    /// processed as a review at `warn`.
    pub(super) fn review(&self, response: &ReviewResponse, took: Duration, peer: SocketAddr) {
        let is_failure = matches!(response.outcome, ReviewOutcome::Failed(_));
        let throttle = if is_failure {
            &self.failures
        } else {
            &self.decisions
        };
        if let Some(held_back) = throttle.pass(peer.ip()) {
            write(response, took, peer, held_back);
        }
    }
}

fn write(response: &ReviewResponse, took: Duration, peer: SocketAddr, held_back: HeldBack) {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // The level of tracing's macros is fixed, so this macro lists the fields only once.
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                uid = short(&response.subject.uid),
                namespace = short(&response.subject.namespace),
                pod = short(&response.subject.name),
                owner = short(&response.subject.owner),
                decision = response.outcome.as_str(),
                reason = response.outcome.reason(),
                message_to_user = short(&response.message),
                took_us,
                %peer,
                held_back = held_back.own(),
                held_back_of_others = held_back.others(),
                $message
            )
        };
    }
    match response.outcome {
        ReviewOutcome::Failed(_) => line!(warn, "review failed"),
        _ => line!(info, "review"),
    }
}

/// Truncates a text to the maximum length. Texts from an API server are shorter.
fn short(text: &str) -> &str {
    shorten(text, LONGEST)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use pillion_telemetry::{Format, logged};

    use crate::{metrics::Failure, webhook::review::Subject};

    fn line(outcome: ReviewOutcome) -> Value {
        line_with(outcome, "because")
    }

    fn line_with(outcome: ReviewOutcome, message: &str) -> Value {
        let response = response(outcome, message);
        let line = logged(Format::Json, || {
            Log::new().review(&response, TOOK, peer("10.0.0.7:4711"));
        });
        serde_json::from_str(&line).unwrap()
    }

    const TOOK: Duration = Duration::from_micros(250);

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn response(outcome: ReviewOutcome, message: &str) -> ReviewResponse {
        ReviewResponse {
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
        }
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
            ("peer", "10.0.0.7:4711"),
        ] {
            assert_eq!(line[field], value, "{field}");
        }
        assert_eq!(line["took_us"], 250);
    }

    #[test]
    fn warns_of_what_could_not_be_answered() {
        let line = line(ReviewOutcome::Failed(Failure::BadJson));
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["reason"], "bad_json");
        assert_eq!(line["peer"], "10.0.0.7:4711");
    }

    #[test]
    fn keeps_the_lines_of_an_address_while_another_floods() {
        let failed = response(ReviewOutcome::Failed(Failure::BadJson), "because");
        let injected = response(ReviewOutcome::Injected, "");
        let lines = logged(Format::Json, || {
            let log = Log::new();
            for port in 1..=1000 {
                let loud = SocketAddr::new([10, 0, 0, 1].into(), port);
                log.review(&failed, TOOK, loud);
                log.review(&injected, TOOK, loud);
            }
            log.review(&failed, TOOK, peer("10.0.0.2:1"));
            log.review(&injected, TOOK, peer("10.0.0.2:1"));
        });
        let of_the_other = lines.lines().filter(|line| line.contains("10.0.0.2:1"));
        assert_eq!(of_the_other.count(), 2);
        // A few for each second that this takes.
        let failures = lines.lines().filter(|line| line.contains("bad_json"));
        assert!(failures.count() < 500);
    }

    #[test]
    fn cuts_what_a_caller_sent_too_much_of() {
        let line = line_with(ReviewOutcome::Refused("invalid_pod"), &"ä".repeat(LONGEST));
        assert_eq!(line["message_to_user"], "ä".repeat(LONGEST / 2));
    }
}
