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
    /// The field.
    pub path: String,
    /// What it leads to.
    pub message: String,
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
