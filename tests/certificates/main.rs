//! The injector's certificates, against a real API server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "../support/injector_process.rs"]
mod injector_process;
mod installation;
mod load;
mod mounted;
mod own;
mod tls;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Polls until something is there.
async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
