//! Messages of HTTP/1 that were refused.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use super::open_metrics::write_head;
use crate::traffic::Direction;

const NAME: &str = "pillion_http1_refused";
const HELP: &str = "Requests and responses of HTTP/1 that were refused, by the reason, which the access log has, too";

/// Which message of an exchange was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    /// A client's.
    Request,
    /// A server's.
    Response,
}

impl Refused {
    fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// How often messages were refused. All workers count in one place: they seldom do.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<Labels, u64>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    reporter: &'static str,
    refused: Refused,
    reason: &'static str,
}

impl Refusals {
    /// A message was refused, for one of a few reasons.
    pub fn add(&self, direction: Direction, refused: Refused, reason: &'static str) {
        let labels = Labels {
            reporter: direction.reporter(),
            refused,
            reason,
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(labels).or_default() += 1;
    }

    /// Appends the metric as OpenMetrics.
    pub fn write(&self, text: &mut String) {
        // Workers don't wait for a scrape.
        let counts = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if counts.is_empty() {
            return;
        }
        write_head(NAME, HELP, "counter", text);
        for (labels, count) in &counts {
            let Labels {
                reporter,
                refused,
                reason,
            } = labels;
            let message = refused.as_str();
            // A String takes every write.
            let _ = writeln!(
                text,
                "{NAME}_total{{reporter=\"{reporter}\",message=\"{message}\",reason=\"{reason}\"}} {count}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_how_often_each_was_refused() {
        let refusals = Refusals::default();
        let mut text = String::new();
        refusals.write(&mut text);
        assert_eq!(text, "");
        refusals.add(Direction::Outbound, Refused::Response, "bare_lf");
        refusals.add(Direction::Inbound, Refused::Request, "bare_lf");
        refusals.add(Direction::Inbound, Refused::Request, "bare_lf");
        refusals.write(&mut text);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "# TYPE pillion_http1_refused counter");
        assert_eq!(
            lines[2..],
            [
                "pillion_http1_refused_total{reporter=\"destination\",message=\"request\",reason=\"bare_lf\"} 2",
                "pillion_http1_refused_total{reporter=\"source\",message=\"response\",reason=\"bare_lf\"} 1",
            ]
        );
    }
}
