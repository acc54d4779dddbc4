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
    /// For how long a change of the mesh's CA waits for a ConfigMap that the API server does not let be written.
    pub patience: Duration,
}
