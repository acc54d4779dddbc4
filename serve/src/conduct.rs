//! What a connection is good for: requests that succeed, or work for nothing.

use std::{
    error::Error,
    sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32,
        Ordering::{Relaxed, Release},
    },
};

use h2::Reason;
use tokio::sync::Notify;

use crate::{frames::Reading, metrics::Frame};

/// After this many consecutive failed requests, a connection is told to end, and after
/// as many again it is cut. Proper callers come near it only while the service
/// can't serve them anyway.
const USELESS: u32 = 100;

/// Shared by the stream, the service and the task of a connection.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    /// Requests that have succeeded since the frames' account last asked.
    successes: AtomicU32,
    /// Requests that have failed since the last success.
    failures: AtomicU32,
    useless: AtomicBool,
    end: Notify,
    flooded: AtomicBool,
    /// The number of a kind of [`Frame`].
    loudest: AtomicU8,
}

impl Conduct {
    /// Records a response; returns whether the connection has to end.
    pub(crate) fn record(&self, succeeded: bool) -> bool {
        if succeeded {
            self.successes.fetch_add(1, Relaxed);
            self.failures.store(0, Relaxed);
            return false;
        }
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        if !failures.is_multiple_of(USELESS) {
            return false;
        }
        self.useless.store(true, Relaxed);
        self.end.notify_one();
        true
    }

    /// Waits until the connection has to end, and then until it has to be cut.
    pub(crate) async fn ends(&self) {
        self.end.notified().await;
    }

    /// Whether it had to end because its requests kept failing.
    pub(crate) fn is_useless(&self) -> bool {
        self.useless.load(Relaxed)
    }

    pub(crate) fn take_successes(&self) -> u32 {
        // Most reads find none, and a load costs less.
        if self.successes.load(Relaxed) == 0 {
            return 0;
        }
        self.successes.swap(0, Relaxed)
    }

    pub(crate) fn set_frames(&self, reading: Reading) {
        self.loudest.store(reading.loudest as u8, Relaxed);
        if reading.flooded {
            self.flooded.store(true, Release);
        }
    }

    /// The kind of frame whose flood ended the connection, if one did: an overdrawn
    /// account, or a limit of h2.
    pub(crate) fn flood(&self, error: Option<&(dyn Error + 'static)>) -> Option<Frame> {
        let flooded = self.flooded.load(Relaxed) || error.is_some_and(is_flood);
        let loudest = Frame::ALL.get(usize::from(self.loudest.load(Relaxed)));
        flooded.then(|| loudest.copied().unwrap_or(Frame::Other))
    }
}

/// Whether h2 ended a connection by one of its own limits.
fn is_flood(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(h2) = this.downcast_ref::<h2::Error>() {
            return h2.is_library() && h2.reason() == Some(Reason::ENHANCE_YOUR_CALM);
        }
        error = this.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn ends_after_many_failed_requests_in_a_row() {
        let conduct = Conduct::default();
        for _ in 1..USELESS {
            assert!(!conduct.record(false));
        }
        assert!(!conduct.is_useless());
        assert!(conduct.record(false));
        assert!(conduct.is_useless());
        assert!(conduct.ends().now_or_never().is_some());
        assert!(conduct.ends().now_or_never().is_none());
    }

    #[test]
    fn starts_over_with_each_success() {
        let conduct = Conduct::default();
        for _ in 0..10 * USELESS {
            assert!(!conduct.record(false));
            assert!(!conduct.record(true));
        }
        assert!(conduct.ends().now_or_never().is_none());
    }

    #[test]
    fn says_once_how_many_requests_succeeded() {
        let conduct = Conduct::default();
        conduct.record(true);
        conduct.record(true);
        assert_eq!(conduct.take_successes(), 2);
        assert_eq!(conduct.take_successes(), 0);
    }
}
