//! Whether the application passes on what it is told of traces. It has to: no proxy knows which
//! request that leaves the pod is made for which one that has come.
//!
//! Looked at are the traced requests that come in. One whose trace leaves again, while it is under
//! way, is continued. One that ends without it, while requests left that were part of no trace, is
//! cut. Workers share what is known: a request may come in by one of them and leave by another.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::trace::TraceId;
use crate::tables::Propagation;

/// Traces that are looked at, at a time.
const MAX_OPEN: usize = 1024;
/// Traces that are cut, before anything is said of it: one may be chance.
const ENOUGH: u64 = 3;
/// Between two warnings.
const PAUSE: Duration = Duration::from_secs(600);

/// What is known of the traces of the process.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    /// How many are open, for those who need not know more.
    open: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<TraceId, Open>,
    counts: Counts,
    /// The form of contexts that was read last.
    propagation: Option<Propagation>,
    warned: Option<Instant>,
}

/// A trace that requests under way are part of.
#[derive(Debug)]
struct Open {
    requests: u32,
    has_left: bool,
    /// Requests that had left alone before.
    alone_before: u64,
}

/// What became of traces, and what left without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub continued: u64,
    pub cut: u64,
    /// Nothing left while they were under way.
    pub ended: u64,
    /// Requests that left, as part of no trace, while traces were open.
    pub alone: u64,
    /// Those of them that had an id of their own, some context of B3, or one of W3C.
    pub with_request_id: u64,
    pub with_b3: u64,
    pub with_trace_parent: u64,
}

/// What a request says that the application sends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PassedOn {
    /// `None` if it is part of no trace.
    pub trace: Option<TraceId>,
    pub request_id: bool,
    pub b3: bool,
    pub trace_parent: bool,
}

/// A traced request that has come in. It has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct InboundTrace {
    chains: Arc<Chains>,
    trace: TraceId,
}

/// What can be said of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Too little has been seen.
    Unknown,
    PassesOn,
    Cuts,
}

impl Chains {
    /// A request has come in that is traced. `None` if there are too many.
    pub fn come(
        self: &Arc<Self>,
        trace: TraceId,
        propagation: Propagation,
    ) -> Option<InboundTrace> {
        let mut state = self.lock();
        let alone_before = state.counts.alone;
        state.propagation = Some(propagation);
        let has_room = state.open.len() < MAX_OPEN;
        match state.open.get_mut(&trace) {
            Some(open) => open.requests += 1,
            None if has_room => {
                let open = Open {
                    requests: 1,
                    has_left: false,
                    alone_before,
                };
                state.open.insert(trace, open);
                self.open.store(state.open.len(), Relaxed);
            }
            None => return None,
        }
        Some(InboundTrace {
            chains: Arc::clone(self),
            trace,
        })
    }

    /// The application has sent a request.
    pub fn left(&self, request: &PassedOn) {
        if self.open.load(Relaxed) == 0 {
            return;
        }
        let mut state = self.lock();
        let Some(trace) = request.trace else {
            let counts = &mut state.counts;
            counts.alone += 1;
            counts.with_request_id += u64::from(request.request_id);
            counts.with_b3 += u64::from(request.b3);
            counts.with_trace_parent += u64::from(request.trace_parent);
            return;
        };
        if let Some(open) = state.open.get_mut(&trace) {
            open.has_left = true;
        }
    }

    /// What has become of traces, and the form of contexts that is read here.
    pub fn seen(&self) -> (Counts, Option<Propagation>) {
        let state = self.lock();
        (state.counts, state.propagation)
    }

    fn end(&self, trace: TraceId) {
        let mut state = self.lock();
        let Some(open) = state.open.get_mut(&trace) else {
            return;
        };
        open.requests -= 1;
        if open.requests > 0 {
            return;
        }
        let (has_left, alone_before) = (open.has_left, open.alone_before);
        state.open.remove(&trace);
        self.open.store(state.open.len(), Relaxed);
        let counts = &mut state.counts;
        match (has_left, counts.alone > alone_before) {
            (true, _) => counts.continued += 1,
            (false, true) => counts.cut += 1,
            (false, false) => counts.ended += 1,
        }
        let counts = *counts;
        let now = Instant::now();
        let is_silent = state.warned.is_none_or(|last| now >= last + PAUSE);
        if counts.verdict() != Verdict::Cuts || !is_silent {
            return;
        }
        state.warned = Some(now);
        let headers = headers(state.propagation).join(", ");
        drop(state);
        let Counts { cut, alone, .. } = counts;
        tracing::warn!(
            cut,
            alone,
            "the application does not pass the headers of traces on: {cut} traced requests have come in while \
             it sent requests that are part of no trace. It has to copy these headers from each request that \
             it gets to those that it makes for it: {headers}. `pillion trace check` says more"
        );
    }

    /// Nothing under the lock panics halfway, so what is behind it is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// What can be said. An application may send requests on its own, too, so a trace that is cut
    /// now and then says nothing where others are continued, or most of them cause no requests.
    pub fn verdict(&self) -> Verdict {
        let is_rule = self.cut > self.continued && self.cut >= self.ended / 10;
        if self.cut >= ENOUGH && is_rule {
            return Verdict::Cuts;
        }
        match self.continued {
            0 => Verdict::Unknown,
            _ => Verdict::PassesOn,
        }
    }
}

/// The headers that an application has to pass on.
pub(crate) fn headers(propagation: Option<Propagation>) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "x-request-id",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-flags",
        "b3",
        "traceparent",
        "tracestate",
    ];
    match propagation {
        Some(Propagation::B3) => &ALL[..7],
        Some(Propagation::W3c) => &["x-request-id", "traceparent", "tracestate"],
        Some(Propagation::B3AndW3c) | None => ALL,
    }
}

impl Drop for InboundTrace {
    fn drop(&mut self) {
        self.chains.end(self.trace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> TraceId {
        TraceId::new(number).unwrap()
    }

    fn come(chains: &Arc<Chains>, number: u128) -> Option<InboundTrace> {
        chains.come(id(number), Propagation::B3)
    }

    fn with(trace: u128) -> PassedOn {
        PassedOn {
            trace: Some(id(trace)),
            ..PassedOn::default()
        }
    }

    #[test]
    fn a_trace_that_leaves_again_is_continued() {
        let chains = Arc::<Chains>::default();
        let (first, second) = (come(&chains, 1), come(&chains, 1));
        chains.left(&PassedOn::default());
        drop(first);
        chains.left(&with(1));
        drop(second);
        let (counts, _) = chains.seen();
        let expected = Counts {
            continued: 1,
            alone: 1,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
        assert_eq!(counts.verdict(), Verdict::PassesOn);
    }

    #[test]
    fn a_trace_is_cut_if_requests_leave_without_it() {
        let chains = Arc::<Chains>::default();
        let passed_on = PassedOn {
            request_id: true,
            trace_parent: true,
            ..PassedOn::default()
        };
        for number in 1..=ENOUGH {
            assert_eq!(chains.seen().0.verdict(), Verdict::Unknown);
            let inbound = come(&chains, number.into());
            chains.left(&passed_on);
            // That of another request, which is over.
            chains.left(&with(99));
            drop(inbound);
        }
        let (counts, propagation) = chains.seen();
        assert_eq!(
            (counts.cut, counts.alone, counts.with_b3),
            (ENOUGH, ENOUGH, 0)
        );
        assert_eq!(
            (counts.with_request_id, counts.with_trace_parent),
            (ENOUGH, ENOUGH)
        );
        assert_eq!(counts.verdict(), Verdict::Cuts);
        assert_eq!(headers(propagation).len(), 7);
    }

    #[test]
    fn a_request_that_nothing_is_sent_for_says_nothing() {
        let chains = Arc::<Chains>::default();
        // Nothing is open.
        chains.left(&PassedOn::default());
        drop(come(&chains, 1));
        let (counts, _) = chains.seen();
        assert_eq!((counts.ended, counts.alone), (1, 0));
        assert_eq!(counts.verdict(), Verdict::Unknown);
    }

    #[test]
    fn requests_of_the_application_s_own_are_no_fault() {
        let counts = Counts {
            cut: 4,
            ended: 50,
            ..Counts::default()
        };
        assert_eq!(counts.verdict(), Verdict::Unknown);
        let cuts = Counts { cut: 5, ..counts };
        assert_eq!(cuts.verdict(), Verdict::Cuts);
        let continues = Counts {
            continued: 5,
            ..cuts
        };
        assert_eq!(continues.verdict(), Verdict::PassesOn);
    }

    #[test]
    fn so_many_are_looked_at_and_no_more() {
        let chains = Arc::<Chains>::default();
        let mut open: Vec<_> = (1..=1024).map(|number| come(&chains, number)).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(come(&chains, 2000).is_none());
        assert!(come(&chains, 7).is_some());
        open.pop();
        assert!(come(&chains, 2000).is_some());
    }
}
