//! The end of the process: how long connections may go on.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How often connections are counted.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long connections may go on once the pod is told to end. The kubelet's own patience
/// (`terminationGracePeriodSeconds`) bounds both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DrainTimes {
    /// So long at most.
    AtMost(Duration),
    /// So long at least, and then until the last one has ended.
    UntilNone(Duration),
}

impl DrainTimes {
    /// Waits until the process may end. `has_none` says whether nobody uses the proxy any more: a Job's pod
    /// should not wait for it.
    pub async fn wait(self, has_none: impl AsyncFn() -> bool) {
        let until_none = async {
            while !has_none().await {
                sleep(INTERVAL).await;
            }
        };
        match self {
            Self::AtMost(whole) => {
                let _ = timeout(whole, until_none).await;
            }
            Self::UntilNone(minimum) => {
                sleep(minimum).await;
                until_none.await;
            }
        }
    }
}
