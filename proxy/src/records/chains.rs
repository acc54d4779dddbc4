//! Whether the application passes on what it is told of traces. It has to: no proxy knows which
//! request that leaves the pod is made for which one that has come.
//!
//! Looked at are the traced requests that come in. One whose trace leaves again, while it is under
//! way, is continued. One that ends without it, while a request left that was part of no trace, is
//! cut; such a request explains one trace at most. Workers share what is known: a request may come in
//! by one of them and leave by another.

mod headers;
#[cfg(test)]
mod tests;
mod verdict;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use super::{seldom::Seldom, trace::TraceId};
use crate::tables::Propagation;

pub(crate) use self::{
    headers::headers,
    verdict::{Counts, Verdict},
};

/// Traces that are looked at, at a time.
const MAX_OPEN: usize = 1024;

/// What is known of the traces of the process.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    /// How many are open, for those who need not know more.
    open: AtomicUsize,
    alone: Alone,
    state: Mutex<State>,
    warned: Seldom,
}

/// Requests that left, as part of no trace, while traces were open. Workers count them without
/// waiting for each other: where little is traced, almost all that leaves is among them.
#[derive(Debug, Default)]
struct Alone {
    all: AtomicU64,
    with_request_id: AtomicU64,
    with_b3: AtomicU64,
    with_trace_parent: AtomicU64,
    /// Those that explain no trace yet. Who holds the state's lock takes of them, and nobody else.
    spare: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<TraceId, Open>,
    continued: u64,
    cut: u64,
    ended: u64,
    /// The form of contexts that was read last.
    propagation: Option<Propagation>,
}

/// A trace that requests under way are part of.
#[derive(Debug)]
struct Open {
    requests: u32,
    has_left: bool,
    /// Requests that had left alone before.
    alone_before: u64,
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

impl Chains {
    /// A request has come in that is traced. `None` if there are too many.
    pub fn come(
        self: &Arc<Self>,
        trace: TraceId,
        propagation: Propagation,
    ) -> Option<InboundTrace> {
        let mut state = self.lock();
        let alone_before = self.alone.all.load(Relaxed);
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
        match request.trace {
            None => self.alone.count(request),
            Some(trace) => {
                if let Some(open) = self.lock().open.get_mut(&trace) {
                    open.has_left = true;
                }
            }
        }
    }

    /// What has become of traces, and the form of contexts that is read here.
    pub fn seen(&self) -> (Counts, Option<Propagation>) {
        let state = self.lock();
        (self.counts(&state), state.propagation)
    }

    fn counts(&self, state: &State) -> Counts {
        let alone = &self.alone;
        Counts {
            continued: state.continued,
            cut: state.cut,
            ended: state.ended,
            alone: alone.all.load(Relaxed),
            with_request_id: alone.with_request_id.load(Relaxed),
            with_b3: alone.with_b3.load(Relaxed),
            with_trace_parent: alone.with_trace_parent.load(Relaxed),
        }
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
        if has_left {
            state.continued += 1;
        } else if self.alone.explain(alone_before) {
            state.cut += 1;
        } else {
            state.ended += 1;
        }
        if state.open.is_empty() {
            self.alone.spare.store(0, Relaxed);
        }
        let counts = self.counts(&state);
        let propagation = state.propagation;
        drop(state);
        if counts.verdict() != Verdict::Cuts || !self.warned.is_due() {
            return;
        }
        let headers = headers(propagation).join(", ");
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

impl Alone {
    fn count(&self, request: &PassedOn) {
        for (is_so, count) in [
            (true, &self.all),
            (request.request_id, &self.with_request_id),
            (request.b3, &self.with_b3),
            (request.trace_parent, &self.with_trace_parent),
            (true, &self.spare),
        ] {
            if is_so {
                count.fetch_add(1, Relaxed);
            }
        }
    }

    /// Whether one of them explains why a trace was not continued, before which so many had left.
    /// That one explains no other. The caller holds the state's lock.
    fn explain(&self, before: u64) -> bool {
        let is_explained = self.all.load(Relaxed) > before && self.spare.load(Relaxed) > 0;
        if is_explained {
            self.spare.fetch_sub(1, Relaxed);
        }
        is_explained
    }
}

impl Drop for InboundTrace {
    fn drop(&mut self) {
        self.chains.end(self.trace);
    }
}
