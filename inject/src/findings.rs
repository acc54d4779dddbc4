//! What the guards found on one pod.

use std::fmt;

use crate::guard::{Action, Bypass, Guard};

/// What the guards found on one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    refused: Vec<Finding>,
    warned: Vec<Finding>,
}

/// One thing that was found, as a sentence of two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub guard: Guard,
    found: String,
    consequence: String,
}

impl Findings {
    /// Sorts findings by their guards, and by whether those refuse.
    pub(crate) fn new(mut all: Vec<Finding>, refuses: impl Fn(Guard) -> bool) -> Self {
        all.sort_by_key(|finding| finding.guard);
        let (refused, warned) = all.into_iter().partition(|finding| refuses(finding.guard));
        Self { refused, warned }
    }

    /// Whether a guard that refuses found something.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// What was found and let pass, for the review's `warnings`.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warned.iter().map(Finding::to_string).collect()
    }

    /// Each guard that found something, once.
    #[must_use]
    pub fn bypasses(&self) -> Vec<Bypass> {
        let mut all: Vec<_> = [
            (&self.refused, Action::Refused),
            (&self.warned, Action::Warned),
        ]
        .into_iter()
        .flat_map(|(findings, action)| {
            findings.iter().map(move |finding| Bypass {
                guard: finding.guard,
                action,
            })
        })
        .collect();
        all.dedup();
        all
    }
}

/// Everything that is refused, and what would allow it.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.refused.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(
                f,
                "{finding} (the chart's value sidecarInjectorWebhook.guards.{}=false allows it)",
                finding.guard.as_str()
            )?;
        }
        Ok(())
    }
}

impl Finding {
    pub fn new(guard: Guard, found: impl Into<String>, consequence: impl Into<String>) -> Self {
        Self {
            guard,
            found: found.into(),
            consequence: consequence.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.found, self.consequence)
    }
}
