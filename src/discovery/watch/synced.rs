//! Whether a watch has listed all of its objects.

use pillion_serve::Condition;
use tokio::sync::mpsc;

use crate::discovery::update::Update;

/// A watch's part in the readiness.
#[derive(Debug)]
pub(super) struct Synced {
    condition: Condition,
    is_set: bool,
}

impl Synced {
    /// For a watch that has not listed anything yet; `condition` says so.
    pub fn new(condition: Condition) -> Self {
        Self {
            condition,
            is_set: false,
        }
    }

    /// Records that the watch has sent all of its objects. This has an effect once: during
    /// later lists, what is known stays in force.
    pub async fn set(&mut self, updates: &mpsc::Sender<Update>) {
        if !self.is_set {
            self.is_set = true;
            self.condition.set(true);
            // The receiver is gone only when the process stops.
            let _ = updates.send(Update::Synced).await;
        }
    }
}
