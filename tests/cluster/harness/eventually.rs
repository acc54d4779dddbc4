//! Waiting for what comes about by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Polls until something is there.
pub async fn eventually<T>(what: &str, poll: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(Duration::from_secs(120), what, poll).await
}

/// Polls for longer, where something has to wait by itself.
pub async fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut poll: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(250)).await;
    }
}
