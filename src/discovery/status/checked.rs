//! What reading an object has found.

use pillion_api::Warning;

/// What is wrong with an object, and what looks wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::discovery) struct Checked {
    /// Why it is invalid.
    pub faults: Vec<String>,
    /// What is likely a mistake, if it is valid.
    pub warnings: Vec<Warning>,
    /// Whether it is invalid, and what can be read of it is in force.
    pub is_in_part: bool,
}
