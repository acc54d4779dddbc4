//! What comes of a connection: reviews, or work for nothing.

use std::{
    error::Error,
    sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32,
        Ordering::{Relaxed, Release},
    },
};

use h2::Reason;
use tokio::sync::Notify;

use super::frames::Reading;
use crate::metrics::Frame;

/// After so many requests in a row that were not answered as reviews a
/// connection is told to end, and after as many again it is cut. API servers
/// come near it only while the webhook can't serve them anyway.
const USELESS: u32 = 100;

/// Shared by the stream, the service and the task of a connection.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// Reviews answered since the frames' account last heard of it.
    reviews: AtomicU32,
    /// Other answers since the last review.
    failures: AtomicU32,
    useless: AtomicBool,
    end: Notify,
    flooded: AtomicBool,
    /// The number of a kind of [`Frame`].
    loudest: AtomicU8,
}

impl Conduct {
    /// Notes an answer. Whether the connection has to end.
    pub(super) fn answered(&self, is_review: bool) -> bool {
        if is_review {
            self.reviews.fetch_add(1, Relaxed);
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
    pub(super) async fn ends(&self) {
        self.end.notified().await;
    }

    /// Whether it had to.
    pub(super) fn is_useless(&self) -> bool {
        self.useless.load(Relaxed)
    }

    pub(super) fn take_reviews(&self) -> u32 {
        // Most reads find none, and a load costs less.
        if self.reviews.load(Relaxed) == 0 {
            return 0;
        }
        self.reviews.swap(0, Relaxed)
    }

    pub(super) fn set_frames(&self, reading: Reading) {
        self.loudest.store(reading.loudest as u8, Relaxed);
        if reading.flooded {
            self.flooded.store(true, Release);
        }
    }

    /// The frames that a connection ended for, if it did: by their number a
    /// second, or by a limit of h2.
    pub(super) fn flood(&self, error: Option<&(dyn Error + 'static)>) -> Option<Frame> {
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
    fn ends_after_many_answers_in_a_row_that_are_no_reviews() {
        let conduct = Conduct::default();
        for _ in 1..USELESS {
            assert!(!conduct.answered(false));
        }
        assert!(!conduct.is_useless());
        assert!(conduct.answered(false));
        assert!(conduct.is_useless());
        assert!(conduct.ends().now_or_never().is_some());
        assert!(conduct.ends().now_or_never().is_none());
    }

    #[test]
    fn starts_over_with_each_review() {
        let conduct = Conduct::default();
        for _ in 0..10 * USELESS {
            assert!(!conduct.answered(false));
            assert!(!conduct.answered(true));
        }
        assert!(conduct.ends().now_or_never().is_none());
    }

    #[test]
    fn says_once_how_many_reviews_were_answered() {
        let conduct = Conduct::default();
        conduct.answered(true);
        conduct.answered(true);
        assert_eq!(conduct.take_reviews(), 2);
        assert_eq!(conduct.take_reviews(), 0);
    }
}
