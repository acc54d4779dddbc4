//! A connection's clock: how long it has been without a request, with a request's
//! head that is not complete, or with responses that its caller does not read.
//!
//! hyper's own time limit for a head also runs between two requests, where much
//! more patience is due, and HTTP/2 has none at all. So the connection's stream
//! records when bytes arrive, the service records requests, and the task of the
//! connection checks the clock now and then. A request costs a few readings of the
//! time and no timer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::{Limits, Phase, conduct::Conduct};

/// What one connection does. Shared by its stream, its service and its task; in
/// HTTP/2 requests and responses end in tasks of their own.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Held for a few instructions at a time, never across an await.
    state: Mutex<State>,
    /// What its requests came to.
    pub(crate) conduct: Conduct,
}

#[derive(Debug)]
struct State {
    requests: usize,
    /// Responses that have not been sent.
    unsent: usize,
    /// The first byte of a head has arrived, but no request yet (HTTP/1.1 only: in
    /// HTTP/2 bytes also arrive without requests).
    head: bool,
    /// When the connection became idle, the head began, or a response was last
    /// sent while others wait.
    since: Instant,
}

/// How much patience there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// As much as the limits say.
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
    /// It has to end, because it was too slow at this.
    Late(Phase),
}

impl Activity {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            opened: now,
            state: Mutex::new(State {
                requests: 0,
                unsent: 0,
                head: false,
                since: now,
            }),
            conduct: Conduct::default(),
        }
    }

    /// A request has arrived; it lasts until the returned value is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Running {
        let mut state = self.lock();
        state.requests += 1;
        state.head = false;
        drop(state);
        Running(Arc::clone(self))
    }

    /// A response is ready; it is unsent until the returned value is dropped.
    pub(crate) fn response(self: &Arc<Self>) -> Unsent {
        let mut state = self.lock();
        state.unsent += 1;
        if state.unsent == 1 {
            state.since = Instant::now();
        }
        drop(state);
        Unsent(Arc::clone(self))
    }

    /// Checks the clock.
    pub(crate) fn verdict(&self, limits: &Limits, pressure: Pressure) -> Verdict {
        let now = Instant::now();
        let again = now + limits.head.min(limits.crowded);
        if pressure == Pressure::Crowded && self.opened + limits.crowded <= now {
            return Verdict::Late(Phase::Crowded);
        }
        let state = self.lock();
        let (phase, late) = if state.unsent > 0 {
            (Phase::Answer, state.since + limits.answer)
        } else if state.requests > 0 {
            // Requests have limits of their own, and are bound to end.
            return Verdict::Wait(again);
        } else if pressure == Pressure::Ending {
            (Phase::Idle, now)
        } else if state.head {
            (Phase::Head, state.since + limits.head)
        } else {
            (Phase::Idle, state.since + limits.idle)
        };
        if late <= now {
            return Verdict::Late(phase);
        }
        Verdict::Wait(late.min(again))
    }

    /// Whether no request and no response is pending.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.requests == 0 && state.unsent == 0
    }

    /// Bytes have arrived. For HTTP/1.1 only: in HTTP/2 bytes say nothing about requests.
    pub(crate) fn bytes_received(&self) {
        let mut state = self.lock();
        if state.requests == 0 && !state.head {
            state.head = true;
            state.since = Instant::now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut state = self.0.lock();
        state.requests -= 1;
        // More requests don't make up for responses that are not read.
        if state.unsent == 0 {
            state.since = Instant::now();
        }
    }
}

/// A response that has not been sent yet.
#[derive(Debug)]
pub struct Unsent(Arc<Activity>);

impl Drop for Unsent {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.unsent -= 1;
        state.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        let answer = activity.response();
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
    async fn ends_a_connection_whose_responses_are_not_read() {
        let activity = Arc::new(Activity::new());
        pass(60).await;
        let unread = activity.response();
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
    async fn bears_with_a_caller_that_reads_one_response_after_the_other() {
        let activity = Arc::new(Activity::new());
        let answers: Vec<_> = (0..9).map(|_| activity.response()).collect();
        for answer in answers {
            pass(9).await;
            assert_eq!(late(&activity, Normal), None);
            drop(answer);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_take_a_body_for_a_head() {
        let activity = Arc::new(Activity::new());
        activity.bytes_received();
        let request = activity.request();
        activity.bytes_received();
        drop(request);
        pass(10).await;
        assert_eq!(late(&activity, Normal), None);
    }
}
