//! What is written into the ConfigMaps, and by whom.

use std::time::Duration;

/// What is written, and by whom.
#[derive(Debug, Clone)]
pub(in crate::discovery) struct Settings {
    /// The ConfigMaps' name.
    pub name: String,
    /// The namespace that Pillion is installed in; the value of the label that marks our
    /// ConfigMaps.
    pub owner: String,
    /// How long unwanted roots stay.
    pub removal_delay: Duration,
}
