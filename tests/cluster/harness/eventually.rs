//! Waiting for what comes about by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Polls until something is there.
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(250)).await;
    }
}
