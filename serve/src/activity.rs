//! A connection's clock: how long it has been without a request, with a
//! request's head that does not come to its end, or with answers that its caller
//! does not read.
//!
//! hyper's own limit of time for a head runs between two requests, too, where
//! much more patience is due, and HTTP/2 has none at all. So the connection's
//! stream notes when bytes come in, the service notes requests, and the task of
//! the connection looks at the clock now and then. A request costs a few looks at
//! the time and no timer.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Limits, Phase, conduct::Conduct};

/// What one connection does. Shared by its stream, its service and its task. In
/// HTTP/2 requests and answers end in tasks of their own: they set the time before
/// they are counted off, so that whoever sees the count sees the time.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    requests: AtomicUsize,
    /// Answers that have not gone out.
    unsent: AtomicUsize,
    /// A head's first byte has come, but no request yet (HTTP/1.1 only: in
    /// HTTP/2 bytes also come without requests).
    head: AtomicBool,
    /// When it became idle, the head began, or an answer last went out while
    /// others wait: milliseconds after `opened`.
    since: AtomicU64,
    /// What came of it.
    pub(crate) conduct: Conduct,
}

/// How much patience there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// All that the limits say.
    Normal,
    /// Others of the same address wait for a place.
    Crowded,
    /// The connection is ending: only what has begun is waited for.
    Ending,
}

/// What is to be done about a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing before that time.
    Wait(Instant),
    /// It has to end; what it was too slow at.
    Late(Phase),
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
            head: AtomicBool::new(false),
            since: AtomicU64::new(0),
            conduct: Conduct::default(),
        }
    }

    /// A request has come; it lasts until what is returned is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Running {
        self.requests.fetch_add(1, Relaxed);
        self.head.store(false, Relaxed);
        Running(Arc::clone(self))
    }

    /// An answer is there; it is unsent until what is returned is dropped.
    pub(crate) fn answer(self: &Arc<Self>) -> Unsent {
        if self.unsent.fetch_add(1, Relaxed) == 0 {
            self.touch();
        }
        Unsent(Arc::clone(self))
    }

    /// Looks at the clock.
    pub(crate) fn verdict(&self, limits: &Limits, pressure: Pressure) -> Verdict {
        let now = Instant::now();
        let again = now + limits.head.min(limits.crowded);
        if pressure == Pressure::Crowded && self.opened + limits.crowded <= now {
            return Verdict::Late(Phase::Crowded);
        }
        let since = || self.opened + Duration::from_millis(self.since.load(Relaxed));
        let (phase, late) = if self.unsent.load(Acquire) > 0 {
            (Phase::Answer, since() + limits.answer)
        } else if self.requests.load(Acquire) > 0 {
            // It has limits of its own, and is bound to end.
            return Verdict::Wait(again);
        } else if pressure == Pressure::Ending {
            (Phase::Idle, now)
        } else if self.head.load(Relaxed) {
            (Phase::Head, since() + limits.head)
        } else {
            (Phase::Idle, since() + limits.idle)
        };
        if late <= now {
            return Verdict::Late(phase);
        }
        Verdict::Wait(late.min(again))
    }

    /// Whether nothing has begun that has to come to its end.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Acquire) == 0 && self.unsent.load(Acquire) == 0
    }

    /// Of HTTP/1.1: in HTTP/2 bytes say nothing about requests.
    pub(crate) fn bytes_received(&self) {
        if self.requests.load(Relaxed) == 0 && !self.head.swap(true, Relaxed) {
            self.touch();
        }
    }

    fn touch(&self) {
        let passed = self.opened.elapsed().as_millis();
        self.since
            .store(u64::try_from(passed).unwrap_or(u64::MAX), Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Running(Arc<Activity>);

impl Running {
    pub(crate) fn conduct(&self) -> &Conduct {
        &self.0.conduct
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // More requests don't make up for answers that are not read.
        if self.0.unsent.load(Relaxed) == 0 {
            self.0.touch();
        }
        self.0.requests.fetch_sub(1, Release);
    }
}

/// An answer that has not gone out.
#[derive(Debug)]
pub struct Unsent(Arc<Activity>);

impl Drop for Unsent {
    fn drop(&mut self) {
        self.0.touch();
        self.0.unsent.fetch_sub(1, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{Pressure::*, *};

    fn late(activity: &Activity, pressure: Pressure) -> Option<Phase> {
        match activity.verdict(&Limits::default(), pressure) {
            Verdict::Late(phase) => Some(phase),
            Verdict::Wait(until) => {
                assert!(until > Instant::now());
                None
            }
        }
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_connection_that_is_idle_for_too_long() {
        let activity = Activity::new();
        pass(119).await;
        assert_eq!(late(&activity, Normal), None);
        pass(1).await;
        assert_eq!(late(&activity, Normal), Some(Phase::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_any_connection_sooner_when_crowded() {
        let activity = Arc::new(Activity::new());
        pass(4).await;
        let _request = activity.request();
        assert_eq!(late(&activity, Crowded), None);
        pass(1).await;
        assert_eq!(late(&activity, Crowded), Some(Phase::Crowded));
        assert_eq!(late(&activity, Normal), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_only_for_what_has_begun_when_it_ends() {
        let activity = Arc::new(Activity::new());
        let request = activity.request();
        pass(500).await;
        assert_eq!(late(&activity, Ending), None);
        let answer = activity.answer();
        drop(request);
        pass(9).await;
        assert_eq!(late(&activity, Ending), None);
        drop(answer);
        assert_eq!(late(&activity, Ending), Some(Phase::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn counts_idle_time_from_the_end_of_a_request() {
        let activity = Arc::new(Activity::new());
        let request = activity.request();
        pass(500).await;
        assert_eq!(late(&activity, Normal), None);
        drop(request);
        pass(119).await;
        assert_eq!(late(&activity, Normal), None);
        pass(1).await;
        assert_eq!(late(&activity, Normal), Some(Phase::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_head_that_trickles_in() {
        let activity = Activity::new();
        pass(60).await;
        activity.bytes_received();
        for _ in 0..9 {
            pass(1).await;
            activity.bytes_received();
            assert_eq!(late(&activity, Normal), None);
        }
        pass(1).await;
        assert_eq!(late(&activity, Normal), Some(Phase::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_connection_whose_answers_are_not_read() {
        let activity = Arc::new(Activity::new());
        pass(60).await;
        let unread = activity.answer();
        for _ in 0..9 {
            pass(1).await;
            drop(activity.request());
            assert_eq!(late(&activity, Normal), None);
        }
        pass(1).await;
        assert_eq!(late(&activity, Normal), Some(Phase::Answer));
        drop(unread);
        assert_eq!(late(&activity, Normal), None);
    }

    #[tokio::test(start_paused = true)]
    async fn bears_with_a_caller_that_reads_one_answer_after_the_other() {
        let activity = Arc::new(Activity::new());
        let answers: Vec<_> = (0..9).map(|_| activity.answer()).collect();
        for answer in answers {
            pass(9).await;
            assert_eq!(late(&activity, Normal), None);
            drop(answer);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn takes_no_body_for_a_head() {
        let activity = Arc::new(Activity::new());
        activity.bytes_received();
        let request = activity.request();
        activity.bytes_received();
        drop(request);
        pass(10).await;
        assert_eq!(late(&activity, Normal), None);
    }
}
