//! Requests that failed, and why.

use std::{collections::BTreeMap, fmt};

/// How often each reason was given.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<String, usize>);

impl Failures {
    /// Counts one.
    pub fn add(&mut self, error: &anyhow::Error) {
        *self.0.entry(format!("{error:#}")).or_default() += 1;
    }

    /// All of them.
    pub fn count(&self) -> usize {
        self.0.values().sum()
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self
            .0
            .iter()
            .map(|(reason, count)| format!("{count} × {reason}"));
        formatter.write_str(&reasons.collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_reason_once() {
        let mut failures = Failures::default();
        for reason in ["HTTP/1.1 503", "a connection was closed", "HTTP/1.1 503"] {
            failures.add(&anyhow::anyhow!(reason));
        }
        assert_eq!(failures.count(), 3);
        assert_eq!(
            failures.to_string(),
            "2 × HTTP/1.1 503; 1 × a connection was closed"
        );
    }
}
