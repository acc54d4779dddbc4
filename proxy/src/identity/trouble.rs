//! What the log is told while no new certificate comes.

use std::time::Duration;

use pillion_certs::Validity;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::failure::{Failure, Sort};

/// The log is told the same no more often.
const QUIET: Duration = Duration::from_secs(60);

/// What the log has been told.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    last: Option<(Sort, Instant)>,
}

impl Trouble {
    /// Whether the log does not know yet, or has known for a while.
    pub fn is_news(&mut self, failure: &Failure) -> bool {
        let (sort, now) = (failure.sort(), Instant::now());
        if let Some((last, at)) = self.last
            && last == sort
            && now.duration_since(at) < QUIET
        {
            return false;
        }
        self.last = Some((sort, now));
        true
    }

    /// It is over.
    pub fn end(&mut self) {
        self.last = None;
    }
}

/// What becomes of the workload meanwhile.
pub(super) fn meanwhile(held: Option<Validity>, now: OffsetDateTime) -> String {
    match held {
        None => "the proxy is not ready until there is one".to_owned(),
        Some(held) if held.has_ended(now) => format!(
            "the one in use expired {} ago: connections with mutual TLS fail until there is a new one",
            span(now - held.not_after)
        ),
        Some(held) => format!(
            "the one in use is valid for another {}",
            span(held.not_after - now)
        ),
    }
}

/// A span of time, in days as long as there are a few.
pub(super) fn span(span: time::Duration) -> String {
    let (days, hours, minutes) = (span.whole_days(), span.whole_hours(), span.whole_minutes());
    if days >= 2 {
        format!("{days} days")
    } else if hours >= 2 {
        format!("{hours} hours")
    } else if minutes >= 2 {
        format!("{minutes} minutes")
    } else {
        format!("{} s", span.whole_seconds())
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use tokio::time::advance;
    use tonic::Status;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_sort_is_told_once_a_minute() {
        let mut trouble = Trouble::default();
        let away = || Failure::Silent(QUIET);
        let refused = || Failure::Status(Box::new(Status::unauthenticated("who?")));
        assert!(trouble.is_news(&away()) && !trouble.is_news(&away()));
        let broken = Failure::Status(Box::new(Status::unavailable("broken")));
        assert!(!trouble.is_news(&broken));
        assert!(trouble.is_news(&refused()) && !trouble.is_news(&refused()));
        advance(QUIET).await;
        assert!(trouble.is_news(&refused()));
        trouble.end();
        assert!(trouble.is_news(&refused()));
    }

    #[test]
    fn says_what_the_workload_has() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let until = |not_after| Validity {
            not_before: now - Duration::days(1),
            not_after,
        };
        for (held, text) in [
            (None, "the proxy is not ready until there is one"),
            (
                Some(until(now + Duration::hours(11))),
                "the one in use is valid for another 11 hours",
            ),
            (
                Some(until(now - Duration::seconds(90))),
                "the one in use expired 90 s ago: connections with mutual TLS fail until there is a new one",
            ),
        ] {
            assert_eq!(meanwhile(held, now), text);
        }
    }
}
