//! What is wrong with an object, or looks wrong, and where.

use std::fmt;

/// Why an object is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, as in `spec.http[0].route[1].weight`.
    pub path: String,
    /// What is wrong with it, and what to do.
    pub message: String,
}

/// What is likely a mistake in an object that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind of mistake it is.
    pub kind: WarningKind,
    /// The field.
    pub path: String,
    /// What it leads to.
    pub message: String,
}

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// A route that no request or connection comes to, because earlier ones take them all.
    NeverUsed,
    /// A condition that an earlier route has.
    Duplicate,
    /// Anything else.
    Other,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}
